//! What stands on a certificate beside the refunds: figures that lead to their rows, money from the switch-over, and what a
//! bank said against our books.

use bankgate::domain::closing::{Figures, ItemKind, Obstacle, Pending, PeriodState, Scope};
use bankgate::domain::ledger::{AccountKind, EntryKind, Movement, Purse};
use bankgate::domain::money::Fen;
use bankgate::passes::close::close;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::switch::{propose_openings, propose_returned};
use bankgate::store::closing::Period;
use bankgate::store::closing::trace::{TraceRow, Way};
use bankgate::store::ledger::{EntryOf, Origin};

use super::super::world::{COUNTER, World, at, on_both};
use super::{operator, six_answered};

impl World {
    /// Every figure of a period, made once more from the rows that the command shows for it.
    pub(super) async fn figures_lead_to_rows(&self, period: &Period) -> usize {
        let figures = Figures::read(&period.figures).unwrap();
        let mut tx = self.gateway.store.read().await.unwrap();
        let (from, to) = (period.from_entry, period.to_entry);
        let mut checked = 0;
        for (year, of) in &figures.years {
            let sum = |rows: &[TraceRow]| rows.iter().filter(|r| r.year == *year).map(|r| r.fen.get()).sum::<i64>();
            for (account, flow) in &of.accounts {
                let all = |map: &std::collections::BTreeMap<String, Fen>| map.values().map(|fen| fen.get()).sum::<i64>();
                let wanted = [
                    ((0, from), Way::Both, flow.opening.get()),
                    ((from, to), Way::In, all(&flow.added)),
                    ((from, to), Way::Out, -all(&flow.removed)),
                    ((0, to), Way::Both, flow.at_cut.get()),
                ];
                for (range, way, fen) in wanted {
                    let rows = tx.trace_entries(period, account, range, way).await.unwrap();
                    assert_eq!(sum(&rows), fen, "{} {year} {account} {way:?}", figures.number);
                    checked += 1;
                }
            }
            let pending = |list: &[Pending]| list.iter().map(|p| p.fen.get()).sum::<i64>();
            let kind = if period.scope == Scope::Month { ItemKind::Ineligible } else { ItemKind::Lapsed };
            let lines = [
                (kind, of.due_back.fen.get()),
                (ItemKind::Correctable, of.correctable.fen.get()),
                (ItemKind::Unknown, pending(&of.unknown)),
                (ItemKind::InFlight, pending(&of.in_flight)),
            ];
            for (kind, fen) in lines {
                let rows = tx.trace_items(period.id, kind).await.unwrap();
                assert_eq!(sum(&rows), fen, "{} {year} {kind:?}", figures.number);
                checked += 1;
            }
            let rows = tx.trace_items(period.id, kind).await.unwrap();
            for r in &of.due_back_refunded {
                let of_order: Vec<_> = rows.iter().filter(|row| row.order == r.order).cloned().collect();
                assert_eq!(sum(&of_order), r.fen.get(), "{} {}", figures.number, r.order);
                checked += 1;
            }
        }
        checked
    }
}

#[tokio::test]
async fn every_figure_leads_to_its_rows() {
    on_both(async |w| {
        let references = six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let march = w.month("2019-03").await;
        assert!(w.figures_lead_to_rows(&march).await > 20);
        let mut tx = w.gateway.store.read().await.unwrap();
        let ineligible = ItemKind::Ineligible.account();
        let added = tx.trace_entries(&march, ineligible, (march.from_entry, march.to_entry), Way::In).await.unwrap();
        assert_eq!(added.iter().map(|r| r.fen.get()).sum::<i64>(), 20_055);
        assert_eq!(added[0].references, [references[1].clone(), references[4].clone()]);
        let lines = tx.trace_items(march.id, ItemKind::Ineligible).await.unwrap();
        let order = w.texts("select number from refund_order").await.remove(0);
        assert!(lines.len() == 2 && lines.iter().all(|l| l.order == order), "{lines:?}");
        let open = tx.trace_items(march.id, ItemKind::Correctable).await.unwrap();
        assert_eq!((open.len(), &open[0].references), (1, &vec![references[2].clone()]));
        drop(tx);
        // A month later: what lay there before came and went.
        w.now = at("2019-04-03", "10:00:00");
        w.send_back(&references[0], "IR").await;
        w.now = at("2019-04-19", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let april = w.month("2019-04").await;
        assert_eq!(april.state, PeriodState::Sealed, "{:?}", w.obstacles("2019-04").await);
        assert!(w.figures_lead_to_rows(&april).await > 20);
    })
    .await;
}

#[tokio::test]
async fn q9_a_round_that_began_before_the_receipt_seals_figures_that_hold() {
    on_both(async |w| {
        six_answered(w).await;
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.now = at("2019-03-20", "17:00:05");
        assert_eq!(w.refund_all().await, 1);
        // Another node's clock, or a round whose time was taken before a person gave the receipt.
        w.now = at("2019-03-20", "17:00:04");
        w.close().await;
        let march = w.month("2019-03").await;
        assert_eq!(march.state, PeriodState::Sealed, "{:?}", w.obstacles("2019-03").await);
        assert!(w.verifies(&march).await, "sealed: {}", march.figures);
        assert!(w.figures_lead_to_rows(&march).await > 20);
    })
    .await;
}

#[tokio::test]
async fn r4_what_was_opened_and_nobody_may_keep_goes_back_by_its_receipt() {
    on_both(async |w| {
        six_answered(w).await;
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("old.csv");
        let rows = "部门代码,项目代码,年度,科目,金额(元),截止日期,备注\nD1,1,2019,suspense:ineligible,12.34,2019-02-28,旧渠道\n";
        std::fs::write(&list, rows).unwrap();
        let (one, two) = (operator("qian", "finance"), operator("sun", "finance"));
        let (id, _) = propose_openings(&w.gateway, &one, "旧系统", &list, w.now).await.unwrap();
        approve(&w.gateway, &two, id, w.now).await.unwrap();
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let stands = w.obstacles("2019-03").await;
        assert_eq!(stands, [Obstacle::WithoutLines { fen: Fen::new(1_234), openings: "1".to_owned() }]);
        assert!(stands[0].words().en.contains("bankgate switch returned N"), "{}", stands[0].words().en);

        assert!(propose_returned(&w.gateway, &one, 1, "", w.now).await.is_err(), "without a receipt");
        assert!(propose_returned(&w.gateway, &one, 2, "国库回单88号", w.now).await.is_err(), "there is one only");
        let (id, effect) = propose_returned(&w.gateway, &one, 1, "国库回单88号", w.now).await.unwrap();
        assert!(effect.contains("12.34 yuan are back at the treasury; receipt: 国库回单88号"), "{effect}");
        assert!(approve(&w.gateway, &one, id, w.now).await.is_err(), "the same person");
        w.close().await;
        assert_ne!(w.month("2019-03").await.state, PeriodState::Sealed, "proposed is not back");
        approve(&w.gateway, &two, id, w.now).await.unwrap();
        assert!(propose_returned(&w.gateway, &one, 1, "国库回单88号", w.now).await.is_err(), "it is back");
        w.close().await;
        let march = w.month("2019-03").await;
        assert_eq!((march.state, w.balance("suspense:ineligible").await), (PeriodState::Sealed, 0));
        let of = &Figures::read(&march.figures).unwrap().years[&2019];
        assert_eq!(of.without_lines["suspense:ineligible"].get(), 1_234);
        assert_eq!((of.without_lines_back[0].order.as_str(), of.without_lines_back[0].fen.get()), ("opening 1", 1_234));
        assert!(w.verifies(&march).await && w.figures_lead_to_rows(&march).await > 20);
        assert!(w.paper(&march).await.text.contains("opening 1"));
        // The next month has nothing of it.
        w.now = at("2019-04-19", "17:00:00");
        w.close().await;
        let april = w.month("2019-04").await;
        assert_eq!(april.state, PeriodState::Sealed, "{:?}", w.obstacles("2019-04").await);
        assert!(!april.figures.contains("without_lines_back"), "{}", april.figures);
    })
    .await;
}

#[tokio::test]
async fn what_a_bank_says_against_our_books_is_excluded_and_listed() {
    on_both(async |w| {
        six_answered(w).await;
        // A word for which the account has nothing: it is booked out of `conflict`.
        let purse = Purse { department: "D1".into(), project: "1".into(), year: 2019, bank: COUNTER.into() };
        let (from, to) = (purse.account(AccountKind::RefundInTransit), purse.account(AccountKind::BankClearing));
        let movement = Movement { kind: EntryKind::Doubt, from, to, amount: Fen::new(700) };
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert!(tx.post(w.now, &EntryOf::default(), Origin::Theirs, &movement).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!((w.balance("conflict").await, w.balance("bank_clearing").await), (-700, 700));
        w.now = at("2019-03-20", "17:00:00");
        w.close().await;
        w.refund_all().await;
        w.close().await;
        let march = w.month("2019-03").await;
        assert_eq!(march.state, PeriodState::Sealed, "{:?}", w.obstacles("2019-03").await);
        let of = &Figures::read(&march.figures).unwrap().years[&2019];
        assert_eq!(of.conflict, [("bank_clearing".to_owned(), Fen::new(700))].into());
        assert!(of.in_flight.is_empty() && of.without_lines.is_empty() && w.verifies(&march).await);
        assert!(w.paper(&march).await.text.contains("银行来文与账不符"));
        // What no word of a bank explains keeps a month open as before.
        let mut tx = w.gateway.store.begin().await.unwrap();
        let more = Movement {
            kind: EntryKind::Fund,
            from: purse.account(AccountKind::Treasury),
            to: purse.account(AccountKind::BankClearing),
            amount: Fen::new(900),
        };
        tx.post(at("2019-04-02", "10:00:00"), &EntryOf::default(), Origin::Ours, &more).await.unwrap();
        tx.commit().await.unwrap();
        close(&w.gateway, at("2019-04-19", "17:00:00")).await.unwrap();
        let stands = w.obstacles("2019-04").await;
        assert!(matches!(stands.as_slice(), [Obstacle::Differs { .. }]), "{stands:?}");
    })
    .await;
}
