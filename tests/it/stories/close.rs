//! Months and years that end at zero: what goes back, what waits, what is sealed, and what comes later.

use bankgate::clock::Stopwatch;
use bankgate::domain::closing::{Figures, Obstacle, PeriodState, Scope, UnpaidList};
use bankgate::domain::language::Language;
use bankgate::domain::ledger::{AccountKind, EntryKind, Movement};
use bankgate::passes::close::ask::outlook;
use bankgate::passes::close::figures::{Standing, figures, obstacles};
use bankgate::passes::close::{close, close_month, close_year};
use bankgate::passes::operate::propose::approve;
use bankgate::passes::papers::certificate::{Header, Paper, certificate};
use bankgate::passes::refund::{Proof, seen};
use bankgate::store::closing::trace::Way;
use bankgate::store::closing::{Period, Which};
use bankgate::store::desk::Operator;
use bankgate::store::ledger::{EntryOf, Origin};
use sha2::{Digest as _, Sha256};

mod figures;

use super::bank::{LOST, Word};
use super::world::{COUNTER, World, at, draft, on_both, reissue};

/// Nobody may keep it.
pub(super) const DEAD: Word = Word::Failed("持卡人已死亡");

fn operator(login: &str, role: &str) -> Operator {
    Operator { login: login.to_owned(), name: login.to_owned(), role: role.to_owned(), department: String::new() }
}

fn march() -> Which {
    Which { period: "2019-03".to_owned(), ..Which::default() }
}

impl World {
    /// The daemon's pass, twice: what the first leaves is what the second finds.
    async fn close(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += close(&self.gateway, self.now).await.unwrap().changed;
            self.audit("close").await;
            self.books_hold().await;
        }
        changed
    }

    /// Somebody else approves every order, it goes out, and the treasury's receipt comes.
    pub(super) async fn refund_all(&self) -> usize {
        self.approve_all().await;
        let ids = self.rows("select id from refund_order where state = 'approved' order by id").await;
        for row in &ids {
            let id = row.int(0).unwrap();
            let mut tx = self.gateway.store.begin().await.unwrap();
            assert!(tx.refund_sent(id, self.now).await.unwrap());
            let proof = match tx.refund_order(id).await.unwrap().unwrap().proof.code() {
                "receipt" => Proof::Receipt("HZ-1".to_owned()),
                _ => Proof::Statement { statement: 1, line: 1 },
            };
            assert!(seen(&self.gateway, &mut tx, id, &proof, self.now).await.unwrap());
            tx.commit().await.unwrap();
        }
        self.audit("refund").await;
        self.books_hold().await;
        ids.len()
    }

    async fn approve_all(&self) {
        for row in self.rows("select id from proposal where state = 'open' order by id").await {
            approve(&self.gateway, &operator("second", "finance"), row.int(0).unwrap(), self.now).await.unwrap();
        }
    }

    /// Money of a paid payment comes back: credited, then sent back.
    async fn send_back(&self, reference: &str, class: &str) {
        let row =
            &self.rows(&format!("select id, amount_fen, file_out, batch from v_instruction where id = {}", number(reference))).await[0];
        let (id, fen, file, batch) = (row.int(0).unwrap(), row.fen(1).unwrap(), row.int(2).unwrap(), row.string(3).unwrap());
        let mut tx = self.gateway.store.begin().await.unwrap();
        let file = tx.file(file).await.unwrap();
        let to = if class == "IR" { AccountKind::SuspenseIneligible } else { AccountKind::SuspenseCorrectable };
        let movement =
            Movement { kind: EntryKind::Return, from: file.purse.account(AccountKind::Paid), to: file.purse.account(to), amount: fen };
        let of = EntryOf { batch: batch.clone(), file_out: Some(file.id), lines: 1, ..EntryOf::default() };
        tx.post(self.now, &of, Origin::Theirs, &movement).await.unwrap();
        tx.event("instruction", id, ("return", "paid", "failed_final"), "bank", "", self.now).await.unwrap();
        tx.commit().await.unwrap();
        let now = self.now.millis();
        self.sql(&format!("delete from instruction_state where instruction_id = {id}")).await;
        self.sql(&format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, returned_fen, reason, class, since) \
             values ({id}, {}, '{batch}', 'failed_final', {fen}, {fen}, 'ACCT_CLOSED', '{class}', {now})",
            file.id,
            fen = fen.get()
        ))
        .await;
        self.sql(&format!("update instruction set live = 0 where id = {id}")).await;
        self.sql(&format!(
            "insert into failure_case (kind, payment_id, root_payment_id, instruction_id, batch, department, amount_fen, reason, class, owner, business_date, due_on, opened_at) \
             select 'returned', payment_id, root_payment_id, id, batch, 'D1', amount_fen, 'ACCT_CLOSED', '{class}', 'department', '2019-03-21', '2019-03-28', {now} from instruction where id = {id}"
        ))
        .await;
        self.audit("a return").await;
        self.books_hold().await;
    }

    pub(super) async fn periods(&self, scope: Scope) -> Vec<Period> {
        self.gateway.store.read().await.unwrap().periods(scope, &Which::default()).await.unwrap()
    }

    async fn month(&self, name: &str) -> Period {
        self.periods(Scope::Month).await.into_iter().find(|p| p.period == name).unwrap_or_else(|| panic!("{name} was not cut"))
    }

    async fn obstacles(&self, name: &str) -> Vec<Obstacle> {
        let period = self.month(name).await;
        obstacles(&mut self.gateway.store.read().await.unwrap(), &period).await.unwrap()
    }

    /// What `close verify` asks: the figures made again, and the hash.
    pub(super) async fn verifies(&self, period: &Period) -> bool {
        let again = figures(&mut self.gateway.store.read().await.unwrap(), period, period.sealed_entry).await.unwrap();
        again.text() == period.figures && hex::encode(Sha256::digest(period.figures.as_bytes())) == period.sha256
    }

    async fn paper(&self, period: &Period) -> Paper {
        let later = self.gateway.store.read().await.unwrap().later_events(period).await.unwrap();
        let header = Header {
            department: "农业农村局".into(),
            project: "耕地地力保护补贴".into(),
            language: Language::Zh,
            zone: self.gateway.zone(),
        };
        certificate(&header, period, &later).unwrap()
    }
}

fn number(reference: &str) -> i64 {
    bankgate::domain::ids::EndToEndId::parse(reference).unwrap().0
}

/// Six payments: two credited, two to dead people, one lost card, one that the bank does not know yet.
async fn six_answered(w: &mut World) -> Vec<String> {
    w.release(&draft("B", COUNTER, 0..6)).await;
    w.settle().await;
    let slip = w.take_one(COUNTER);
    w.answer(&slip, &[Word::Paid, DEAD, LOST, Word::Paid, DEAD, Word::Processing]);
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "failed_final", "failed_final", "paid", "failed_final", "unknown"]);
    w.texts("select reference from v_payment where batch = 'B' order by seq").await
}

#[tokio::test]
async fn r4_each_month_ends_at_zero() {
    on_both(async |w| {
        six_answered(w).await;
        w.now = at("2019-03-20", "16:59:00");
        assert_eq!(w.close().await, 0, "the offices' day is not over");
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        assert_eq!(w.balance("suspense:ineligible").await, 20_055);
        assert_eq!(w.month("2019-03").await.state, PeriodState::Refunding);
        assert_eq!((w.incidents("close_waits").await, w.incidents("close_unknown").await), (1, 1));
        assert!(
            matches!(w.obstacles("2019-03").await.as_slice(), [Obstacle::Order { count: 2, .. }]),
            "{:?}",
            w.obstacles("2019-03").await
        );
        w.approve_all().await;
        w.close().await;
        assert_eq!(w.month("2019-03").await.state, PeriodState::Refunding, "approved is not arrived");
        assert_eq!((w.balance("suspense:ineligible").await, w.balance("refund_in_transit").await), (0, 20_055));
        w.now = at("2019-03-22", "10:00:00");
        assert_eq!(w.refund_all().await, 1);
        w.close().await;
        let sealed = w.month("2019-03").await;
        assert_eq!(sealed.state, PeriodState::Sealed);
        assert_eq!((w.incidents("close_waits").await, w.incidents("close_unknown").await), (0, 1), "the unknown one is still unknown");
        assert!(w.verifies(&sealed).await);
        let of = Figures::read(&sealed.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!((of.due_back.count, of.due_back.fen.get(), of.due_back_closing.get()), (2, 20_055, 0));
        assert_eq!((of.correctable.count, of.correctable_cases.count, of.correctable.fen.get()), (1, 1, 10_022));
        assert_eq!((of.unknown.len(), of.unknown[0].fen.get(), of.in_flight.len()), (1, 10_055, 0));
        assert_eq!(of.due_back_refunded[0].order, w.texts("select number from refund_order").await[0]);
        assert_eq!(w.close().await, 0, "what is sealed is left alone");
        let paper = w.paper(&sealed).await;
        assert_eq!(hex::encode(Sha256::digest(paper.json.as_bytes())), sealed.sha256, "the file hashes to what the paper says");
        for text in [&paper.text, &paper.html] {
            for part in ["QL-2019-03-D1-1", &sealed.sha256, &sealed.audit_head, "零元整", "贰佰元伍角伍分", &of.due_back_refunded[0].order]
            {
                assert!(text.contains(part), "{part} is missing:\n{text}");
            }
        }
        assert_eq!(w.int("select count(*) from audit where act in ('close.cut', 'close.seal')").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_sealed_period_refuses_change_and_history_that_was_changed_shows() {
    on_both(async |w| {
        six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let sealed = w.month("2019-03").await;
        assert_eq!(sealed.state, PeriodState::Sealed);
        for sql in [
            "update period_close set figures = '{}'",
            "update period_close set state = 'open'",
            "delete from period_close",
            "delete from period_item",
        ] {
            let mut tx = w.gateway.store.begin().await.unwrap();
            assert!(tx.exec(sqlx::AssertSqlSafe(sql.to_owned()), vec![]).await.is_err(), "{sql}");
        }
        let forged = Period { figures: sealed.figures.replace("20055", "20056"), ..sealed.clone() };
        assert!(!w.verifies(&forged).await);
        assert!(w.verifies(&sealed).await);
    })
    .await;
}

#[tokio::test]
async fn t6_q9_a_cut_is_taken_once_and_what_comes_a_second_later_is_next_months() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        let another = w.another_node();
        let (one, two) = tokio::join!(close(&w.gateway, w.now), close(&another.gateway, w.now));
        for ended in [one, two] {
            assert!(ended.as_ref().map_or_else(bankgate::passes::PassError::is_transient, |_| true), "{ended:?}");
        }
        w.close().await;
        let cut = w.month("2019-03").await;
        w.now = w.now.plus_millis(1000);
        w.send_back(&references[0], "IR").await;
        w.close().await;
        assert_eq!(w.month("2019-03").await.to_entry, cut.to_entry, "run twice, the same cut");
        assert_eq!(w.int("select count(*) from refund_order").await, 1);
        w.refund_all().await;
        w.close().await;
        let sealed = w.month("2019-03").await;
        assert_eq!(sealed.state, PeriodState::Sealed);
        let of = Figures::read(&sealed.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!((of.due_back.count, of.due_back.fen.get()), (2, 20_055), "the one that came later is not in it");
        assert_eq!(w.balance("suspense:ineligible").await, 10_000);
        w.now = at("2019-04-19", "17:00:00");
        w.close().await;
        assert_eq!(w.month("2019-04").await.from_entry, cut.to_entry);
        w.refund_all().await;
        w.close().await;
        let april = w.month("2019-04").await;
        assert_eq!(april.state, PeriodState::Sealed);
        let of = Figures::read(&april.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!((of.due_back.count, of.due_back.fen.get(), of.due_back_closing.get()), (1, 10_000, 0));
        let flow = &of.accounts["suspense:ineligible"];
        assert_eq!(
            (flow.opening.get(), flow.added["return"].get(), flow.removed["refund"].get(), flow.at_cut.get()),
            (20_055, 10_000, 20_055, 10_000)
        );
    })
    .await;
}

/// A run that dies at its n-th turn leaves nothing half done, and the next one comes to the same end.
#[tokio::test]
async fn t6_a_run_may_die_anywhere() {
    let mut w = World::on_sqlite().await;
    six_answered(&mut w).await;
    w.now = at("2019-03-20", "17:00:00");
    let mut died = 0;
    for turns in 1.. {
        let mut run = Box::pin(close(&w.gateway, w.now));
        let ended = dies_after(turns, &mut run).await;
        drop(run);
        if ended {
            break;
        }
        died += 1;
        let (periods, orders) = (w.int("select count(*) from period_close").await, w.int("select count(*) from refund_order").await);
        assert!((periods, orders) == (0, 0) || (periods, orders) == (1, 1), "half a cut: {periods}, {orders}");
    }
    assert!(died > 3, "it died only {died} times");
    w.close().await;
    w.refund_all().await;
    for turns in 1.. {
        let mut run = Box::pin(close(&w.gateway, w.now));
        if dies_after(turns, &mut run).await {
            break;
        }
    }
    w.close().await;
    let sealed = w.month("2019-03").await;
    assert_eq!((sealed.state, w.verifies(&sealed).await), (PeriodState::Sealed, true));
    assert_eq!((w.int("select count(*) from period_close").await, w.int("select count(*) from refund_order").await), (1, 1));
    assert_eq!(w.int("select count(*) from audit where act = 'close.seal'").await, 1);
}

/// Whether it ended within so many turns.
pub async fn dies_after(turns: u32, run: &mut std::pin::Pin<Box<impl Future>>) -> bool {
    let mut left = turns;
    std::future::poll_fn(|cx| {
        if run.as_mut().poll(cx).is_ready() {
            return std::task::Poll::Ready(true);
        }
        left -= 1;
        if left == 0 { std::task::Poll::Ready(false) } else { std::task::Poll::Pending }
    })
    .await
}

#[tokio::test]
async fn t6_q9_a_cut_waits_for_whoever_has_taken_a_number() {
    let mut w = World::on_postgres().await;
    six_answered(&mut w).await;
    let before = w.int("select max(id) from entry").await;
    let mut slow = w.gateway.store.begin().await.unwrap();
    let number = slow.one("insert into entry (at, kind) values (0, 'fund') returning id", vec![]).await.unwrap().int(0).unwrap();
    assert!(number > before);
    let store = w.gateway.store.clone();
    let cutting = tokio::spawn(async move { store.begin().await.unwrap().entry_cut().await });
    let (mut seen, begun) = (0, Stopwatch::start());
    while seen == 0 {
        assert!(begun.elapsed().as_secs() < 60, "the cut asks for no lock");
        seen = w.int("select count(*) from pg_locks where locktype = 'advisory' and not granted").await;
        assert!(!cutting.is_finished(), "the cut did not wait");
    }
    slow.commit().await.unwrap();
    assert_eq!(cutting.await.unwrap().unwrap(), number, "the entry that was on its way is behind no cut");
}

#[tokio::test]
async fn i5_parts_that_come_back_after_the_seal_show_in_both_months_each() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let march = w.month("2019-03").await;
        w.now = at("2019-04-02", "09:00:00");
        for (line, fen) in [(1, 4_000), (2, 2_500)] {
            let shown = super::returns::statement_credit(w, "2019-04-02", fen, &references[3]).await;
            assert!(super::returns::credit_back(w, number(&references[3]), fen, shown).await, "{line}");
            w.remedy().await;
        }
        let again = w.month("2019-03").await;
        assert_eq!((&again.figures, &again.sha256), (&march.figures, &march.sha256));
        let (paper, later) = (w.paper(&again).await, w.gateway.store.read().await.unwrap().later_events(&again).await.unwrap());
        assert_eq!(later.iter().map(|row| row.fen.get()).collect::<Vec<_>>(), [4_000, 2_500]);
        assert!(later.iter().all(|row| row.references == [references[3].clone()]), "{later:?}");
        assert!(paper.text.contains("40.00") && paper.text.contains("25.00"), "{}", paper.text);
        w.now = at("2019-04-19", "18:00:00");
        w.close().await;
        let april = Figures::read(&w.month("2019-04").await.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!(april.accounts["suspense:correctable"].added["return"].get(), 6_500);
        // The lost card, and the two parts: each is a line of the certificate.
        assert_eq!((april.correctable.count, april.correctable.fen.get()), (3, 10_022 + 6_500));
    })
    .await;
}

#[tokio::test]
async fn i5_q5_q9_a_return_after_the_seal_shows_in_both_months() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let march = w.month("2019-03").await;
        assert_eq!(march.state, PeriodState::Sealed);
        let first = w.paper(&march).await;
        w.now = at("2019-04-02", "09:00:00");
        w.send_back(&references[3], "BA").await;
        let again = w.month("2019-03").await;
        assert_eq!((&again.figures, &again.sha256), (&march.figures, &march.sha256));
        assert!(w.verifies(&again).await, "the sealed row still verifies");
        let second = w.paper(&again).await;
        assert_eq!(first.json, second.json, "the figures stand");
        assert!(!first.text.contains(&references[3]) && second.text.contains(&references[3]), "{}", second.text);
        assert!(second.text.contains("100.33") && second.html.contains("2019-04-02 09:00"));
        w.now = at("2019-04-19", "18:00:00");
        w.close().await;
        let april = w.month("2019-04").await;
        assert_eq!(april.state, PeriodState::Sealed, "nothing goes back in April");
        let of = Figures::read(&april.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!(of.accounts["suspense:correctable"].added["return"].get(), 10_033);
        assert_eq!((of.correctable.count, of.correctable.fen.get()), (2, 20_055));
        let mut tx = w.gateway.store.read().await.unwrap();
        let rows = tx.trace_entries(&april, "suspense:correctable", (april.from_entry, april.to_entry), Way::In).await.unwrap();
        assert_eq!((rows.len(), &rows[0].references), (1, &vec![references[3].clone()]));
    })
    .await;
}

#[tokio::test]
async fn a_refused_order_keeps_the_month_open_until_another_is_done() {
    on_both(async |w| {
        six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        let withdrawn = w.int("select id from proposal where state = 'open'").await;
        bankgate::passes::operate::propose::withdraw(&w.gateway, &operator("second", "finance"), withdrawn, w.now).await.unwrap();
        assert!(matches!(w.obstacles("2019-03").await.as_slice(), [Obstacle::NoOrder { count: 2, .. }]));
        w.close().await;
        assert_eq!(w.texts("select state from refund_order order by id").await, ["cancelled", "proposed"]);
        w.refund_all().await;
        w.close().await;
        assert_eq!(w.month("2019-03").await.state, PeriodState::Sealed);
    })
    .await;
}

#[tokio::test]
async fn a_person_closes_on_the_day_and_a_dry_run_only_reads() {
    on_both(async |w| {
        six_answered(w).await;
        let by = operator("fin", "finance");
        w.now = at("2019-03-19", "10:00:00");
        assert!(close_month(&w.gateway, &by, &march(), false, w.now).await.is_err(), "a day too early");
        let seen = outlook(&mut w.gateway.store.read().await.unwrap(), Scope::Month, &march()).await.unwrap();
        let brief =
            |s: &[Standing]| s.iter().map(|s| (s.state, s.due_back.fen.get(), s.correctable.count, s.unknown.count)).collect::<Vec<_>>();
        assert_eq!(brief(&seen), [("due", 20_055, 1, 1)]);
        assert_eq!(w.int("select count(*) from period_close").await, 0);
        w.now = at("2019-03-20", "10:00:00");
        assert!(close_month(&w.gateway, &operator("it", "finance_it"), &march(), false, w.now).await.is_err(), "finance closes");
        assert_eq!(brief(&close_month(&w.gateway, &by, &march(), false, w.now).await.unwrap()), [("refunding", 20_055, 1, 1)]);
        assert_eq!(w.texts("select proposed_by from refund_order").await, ["fin"]);
        assert!(approve(&w.gateway, &by, w.int("select id from proposal").await, w.now).await.is_err(), "not the same person");
        w.refund_all().await;
        assert_eq!(brief(&close_month(&w.gateway, &by, &march(), false, w.now).await.unwrap()), [("sealed", 20_055, 1, 1)]);
        let february = Which { period: "2019-02".to_owned(), ..Which::default() };
        assert!(close_month(&w.gateway, &by, &february, false, w.now).await.is_err(), "behind March there is no February");
    })
    .await;
}

#[tokio::test]
async fn the_daemon_cuts_at_the_hour_that_is_set() {
    on_both(async |w| {
        six_answered(w).await;
        for (cut_at, time, cuts) in [("17:00", "16:59:59", 0), ("24:00", "23:59:59", 0), ("18:30", "18:30:00", 1)] {
            w.change(|g| g.config.close.cut_at = cut_at.parse().unwrap());
            w.now = at("2019-03-20", time);
            w.close().await;
            assert_eq!(w.int("select count(*) from period_close").await, cuts, "{cut_at}");
        }
    })
    .await;
}

#[tokio::test]
async fn months_that_were_slept_through_are_caught_up_in_order() {
    on_both(async |w| {
        six_answered(w).await;
        w.now = at("2019-05-21", "09:00:00");
        for _ in 0..3 {
            w.close().await;
        }
        let names: Vec<String> = w.periods(Scope::Month).await.into_iter().map(|p| p.period).collect();
        assert_eq!(names, ["2019-03", "2019-04", "2019-05"]);
        assert!(w.obstacles("2019-04").await.contains(&Obstacle::Earlier { period: "2019-03".to_owned() }));
        w.refund_all().await;
        for _ in 0..3 {
            w.close().await;
        }
        assert!(w.periods(Scope::Month).await.iter().all(|p| p.state == PeriodState::Sealed));
        assert_eq!(w.int("select count(*) from refund_order").await, 1);
    })
    .await;
}

#[tokio::test]
async fn r4_a_month_in_which_nothing_moved_and_nothing_lay_has_its_certificate_of_zeros() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        w.answer(&slip, &[Word::Paid, Word::Paid]);
        w.settle().await;
        for (day, month) in [("2019-03-20", "2019-03"), ("2019-04-19", "2019-04")] {
            w.now = at(day, "17:00:00");
            w.close().await;
            assert_eq!(w.month(month).await.state, PeriodState::Sealed, "{month}");
        }
        let april = w.month("2019-04").await;
        let paper = w.paper(&april).await;
        assert!(paper.text.contains("本期无收支") && paper.text.contains("0.00") && paper.text.contains("零元整"), "{}", paper.text);
        assert!(!paper.text.contains("已全部退回国库") && w.verifies(&april).await, "{}", paper.text);
        // Nobody cut May and June; what moved in July is July's, and June's paper says so.
        w.now = at("2019-07-03", "09:00:00");
        let mut late = draft("C", COUNTER, 4..6);
        late.pay_on = "2019-07-03".to_owned();
        late.seal();
        w.release(&late).await;
        w.settle().await;
        w.take_one(COUNTER);
        for _ in 0..3 {
            w.close().await;
        }
        let names: Vec<String> = w.periods(Scope::Month).await.into_iter().map(|p| p.period).collect();
        assert_eq!(names, ["2019-03", "2019-04", "2019-05", "2019-06"]);
        let june = w.month("2019-06").await;
        assert_eq!(
            (june.state, june.from_entry, Figures::read(&june.figures).unwrap().years.len()),
            (PeriodState::Sealed, june.to_entry, 0)
        );
        // A person who asks for July gets it, and no month before it twice.
        w.now = at("2019-07-19", "18:00:00");
        let july = Which { period: "2019-07".to_owned(), ..Which::default() };
        close_month(&w.gateway, &operator("fin", "finance"), &july, false, w.now).await.unwrap();
        let of = Figures::read(&w.month("2019-07").await.figures).unwrap();
        assert_eq!(of.years[&2019].in_flight.iter().map(|p| p.count).sum::<i64>(), 2);
        assert_eq!(w.periods(Scope::Month).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn r3_what_cannot_be_corrected_in_the_year_goes_back_and_is_paid_next_year() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-12-20", "17:00:00");
        for _ in 0..10 {
            w.close().await;
        }
        w.refund_all().await;
        for _ in 0..10 {
            w.close().await;
        }
        let by = operator("fin", "finance");
        let of_2019 = Which { period: "2019".to_owned(), ..Which::default() };
        assert!(close_year(&w.gateway, &by, &of_2019, false, w.now).await.is_err(), "a week too early");
        w.now = at("2019-12-25", "17:00:00");
        w.close().await;
        assert_eq!(w.states("B").await, ["paid", "refunded", "lapsed", "paid", "refunded", "unknown"]);
        assert_eq!((w.balance("carry").await, w.balance("suspense:correctable").await), (10_022, 0));
        assert_eq!(w.refund_all().await, 1);
        w.close().await;
        assert_eq!(w.states("B").await[2], "carried");
        let year = w.periods(Scope::Year).await.remove(0);
        assert_eq!((year.state, year.period.as_str()), (PeriodState::Sealed, "2019"));
        assert!(w.verifies(&year).await);
        let of = Figures::read(&year.figures).unwrap().years.remove(&2019).unwrap();
        assert_eq!((of.due_back.count, of.due_back.fen.get(), of.due_back_closing.get()), (1, 10_022, 0));
        let unpaid = w.gateway.store.read().await.unwrap().unpaid(year.id).await.unwrap();
        assert_eq!((unpaid.len(), &unpaid[0].reference, unpaid[0].state.as_str()), (1, &references[2], "carried"));
        assert!(unpaid[0].case > 0 && unpaid[0].name.to_string().contains('*'), "{unpaid:?}");
        in_a_workbook(UnpaidList {
            number: "TZ-2019-D1-1".into(),
            year: "2019".into(),
            department: "农业农村局".into(),
            project: "耕地地力保护补贴".into(),
            made: w.now,
            rows: unpaid,
        });
        // In the new year the card is found, the batch approved, and new money pays it.
        w.now = at("2020-02-12", "10:00:00");
        w.sql(&format!(
            "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2020, 50000, {})",
            w.now.millis()
        ))
        .await;
        let mut again = reissue("R", COUNTER, &[(2, references[2].clone())]);
        again.pay_on = "2020-02-12".to_owned();
        w.release(&again).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        w.answer(&slip, &[LOST]);
        w.settle().await;
        assert_eq!(w.states("R").await, ["failed_final"]);
        // What was carried was paid again once: from here it is the new attempt that is corrected, or the same entitlement
        // would draw on new money twice.
        let second = w.texts("select reference from v_payment where batch = 'R'").await.remove(0);
        let mut twice = reissue("R2", COUNTER, &[(2, references[2].clone())]);
        twice.pay_on = "2020-02-12".to_owned();
        w.release(&twice).await;
        w.settle().await;
        assert_eq!(w.states("R2").await, ["rejected"]);
        let refused = w.refusals().await.pop().unwrap();
        assert!(refused.contains(&second), "it names what to correct: {refused}");
        w.books_hold().await;
        let mut once_more = reissue("R3", COUNTER, &[(2, second)]);
        once_more.pay_on = "2020-02-12".to_owned();
        w.release(&once_more).await;
        w.settle_at("2020-02-13", "09:00:00").await;
        assert_eq!(w.states("R3").await, ["sent"], "{:?}", w.refusals().await);
        let slip = w.take_one(COUNTER);
        w.answer(&slip, &[Word::Paid]);
        w.settle().await;
        assert_eq!(w.states("R3").await, ["paid"], "{:?}", w.refusals().await);
        w.books_hold().await;
        let balance = "select balance_fen from account where kind = 'zero_balance' and year = 2020";
        assert_eq!(w.int(balance).await, 50_000 - 10_022);
    })
    .await;
}

/// The list opens as a workbook, says which payment, and names nobody whole.
fn in_a_workbook(list: UnpaidList) {
    use calamine::Reader as _;
    let bytes = bankgate::format::workbook::unpaid_workbook(&list, Language::Zh).unwrap();
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).unwrap();
    let cells: Vec<String> = book.worksheet_range("台账").unwrap().cells().map(|(_, _, cell)| cell.to_string()).collect();
    let row = &list.rows[0];
    assert!(cells.contains(&row.reference) && cells.contains(&row.name.to_string()) && cells.contains(&"100.22".to_owned()), "{cells:?}");
    assert!(!cells.iter().any(|c| c.contains(row.name.reveal()) || c.contains(row.id_number.reveal())), "{cells:?}");
}

/// What a person at the shell gets: tables, papers whose hash holds, and an exit code.
#[tokio::test]
async fn the_command_shows_prints_and_verifies() {
    let mut w = World::on_sqlite().await;
    let references = six_answered(&mut w).await;
    w.now = at("2019-03-20", "17:00:00");
    let dir = tempfile::tempdir().unwrap();
    let house = env!("CARGO_MANIFEST_DIR");
    let mut config = w.gateway.config.clone();
    config.admission.catalogue = format!("{house}/config/catalogue.toml").into();
    config.database.url = format!("sqlite:{}", w.mailbox("").join("../b.db").display());
    let file = dir.path().join("bankgate.toml");
    std::fs::write(&file, config.explain()).unwrap();
    let run = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_bankgate")).env("BANKGATE_CONFIG", &file).args(words).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, error) = run(&["close", "--month", "2019-03", "--dry-run"]);
    assert!(code == 3 && text.contains("2 / 200.55") && text.contains("待截止"), "{code} {text}{error}");
    w.close().await;
    let (code, text, _) = run(&["close", "--month", "2019-03", "--dry-run", "--json"]);
    assert!(code == 3 && text.contains(r#""is":"order""#), "{code} {text}");
    let (code, text, _) = run(&["doctor", "--offline"]);
    assert!(code == 3 && text.contains("bankgate close --month 2019-03"), "{text}");
    w.refund_all().await;
    w.close().await;
    let out = dir.path().join("papers");
    let (code, text, error) = run(&["close", "print", "--month", "2019-03", "--out", out.to_str().unwrap()]);
    assert!(code == 0 && text.lines().count() == 3, "{code} {text}{error}");
    let read = |end: &str| std::fs::read_to_string(out.join(format!("QL-2019-03-D1-1.{end}"))).unwrap();
    let sha256 = hex::encode(Sha256::digest(read("json").as_bytes()));
    assert!(read("txt").contains(&sha256) && read("html").contains(&sha256));
    let (code, text, _) = run(&["close", "verify", "--month", "2019-03"]);
    assert!(code == 0 && text.contains(&sha256), "{code} {text}");
    let (code, text, error) = run(&["close", "show", "2019-03", "--figure", "ineligible_added"]);
    assert!(code == 0 && text.contains(&references[1]) && text.contains("200.55"), "{code} {text}{error}");
    let (code, text, error) = run(&["close", "show", "2019-03"]);
    assert!(code == 0 && text.contains(&references[5]), "{code} {text}{error}");
    let (code, _, error) = run(&["close", "--month", "2019-03"]);
    assert!(code == 5 && error.contains("is it running"), "it is asked of the daemon: {code} {error}");
    assert_eq!(run(&["close"]).0, 2);
}

#[tokio::test]
async fn r3_a_return_of_a_closed_year_goes_to_carry_and_back() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-12-25", "17:00:00");
        for _ in 0..10 {
            w.close().await;
        }
        w.refund_all().await;
        for _ in 0..10 {
            w.close().await;
        }
        let year = w.periods(Scope::Year).await.remove(0);
        assert_eq!(year.state, PeriodState::Sealed);
        w.now = at("2020-01-08", "10:00:00");
        w.send_back(&references[0], "BA").await;
        w.close().await;
        assert_eq!((w.balance("carry").await, w.states("B").await[0].as_str()), (10_000, "lapsed"));
        assert_eq!(w.texts("select why from refund_order order by id desc").await[0], "earlier_year");
        w.refund_all().await;
        w.close().await;
        assert_eq!((w.balance("carry").await, w.states("B").await[0].as_str()), (0, "carried"));
        assert!(w.verifies(&year).await, "the sealed year stands");
        let later = w.gateway.store.read().await.unwrap().later_events(&year).await.unwrap();
        assert_eq!((later.len(), &later[0].references), (1, &vec![references[0].clone()]));

        // What nobody may keep has no entitlement to carry: it goes with the month (R4), but as money of a year that is over to
        // the treasury itself, by the debit on the statement, and not back into this year's quota.
        w.now = at("2020-01-10", "10:00:00");
        w.send_back(&references[3], "IR").await;
        w.now = at("2020-01-20", "17:00:00");
        w.close().await;
        let order = w.texts("select why || ' ' || year || ' ' || proof from refund_order order by id desc").await.remove(0);
        assert_eq!(order, "ineligible 2019 statement");
        w.refund_all().await;
        w.close().await;
        let january = w.month("2020-01").await;
        assert_eq!((january.state, w.states("B").await[3].as_str()), (PeriodState::Sealed, "refunded"));
        assert!(Figures::read(&january.figures).unwrap().years[&2019].due_back.fen.is_positive());
        assert!(w.figures_lead_to_rows(&january).await > 10 && w.figures_lead_to_rows(&year).await > 10);
        assert!(w.verifies(&year).await);
    })
    .await;
}
