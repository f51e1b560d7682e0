//! Books made by hand: their equations hold, each wrong row breaks one, and what nobody knows is settled by two persons.

use bankgate::args;
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::instruction::InstructionState;
use bankgate::domain::ledger::AccountKind as K;
use bankgate::domain::ledger::{EntryKind, Movement, Purse};
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::store::admission::{NewCase, NewInstruction, NewTranche, Verdict};
use bankgate::store::equations::{Books, Share};
use bankgate::store::intake::NewBatch;
use bankgate::store::ledger::{EntryOf, Origin};
use bankgate::store::outbound::NewFile;
use bankgate::store::sql::Tx;
use bankgate::store::views::Choice;

use super::{NOW, World, count, facts, import, list, no, who, world, worlds};

const PURSE: (&str, &str, i32) = ("D1", "0901", 2019);

fn purse() -> Purse {
    Purse { department: PURSE.0.into(), project: PURSE.1.into(), year: PURSE.2, bank: "K1".into() }
}

fn instruction(id: i64, payment_id: i64, previous_id: Option<i64>) -> NewInstruction {
    NewInstruction {
        id,
        payment_id,
        root_payment_id: payment_id,
        previous_id,
        part: 0,
        attempt: if previous_id.is_some() { 2 } else { 1 },
        claim_key: payment_id,
        payee_name: Name::new("阿牛·木呷"),
        payee_id: IdNumber::new("511190198001010017"),
        account: Account::new("6299990100000000017"),
        bank_code: String::new(),
        mobile: Mobile::default(),
        amount: Fen::new(10_000),
        remark: String::new(),
        ordinal: 1,
    }
}

fn case(kind: &'static str, payment_id: i64, instruction_id: Option<i64>) -> NewCase {
    NewCase {
        kind,
        payment_id,
        root_payment_id: payment_id,
        instruction_id,
        part: i64::from(kind == "partial"),
        batch: "H-1".into(),
        department: "D1".into(),
        bank: "K1".into(),
        amount: Fen::new(10_000),
        reason: "ACCT_CLOSED",
        class: "BA",
        detail: String::new(),
        owner: "person",
        business_date: "2019-03-19".parse().unwrap(),
        due_on: "2019-03-26".parse().unwrap(),
    }
}

/// Ten payments of a hundred yuan: one rejected, seven in a file (paid, failed with a case, failed for a while, unknown,
/// returned, failed and tried again, in flight), two in no file yet, one second try in no file yet.
pub async fn by_hand(w: &World) {
    let mut tx = w.gateway.store.begin().await.unwrap();
    let hundred = Fen::new(10_000);
    let batch = NewBatch {
        number: "H-1".into(),
        kind: "first".into(),
        department: "D1".into(),
        project: "0901".into(),
        period: "2019-03".into(),
        pay_on: "2019-03-19".parse().unwrap(),
        declared_count: 10,
        declared: Fen::new(100_000),
        maker: "clerk".into(),
        budget_line: String::new(),
        voucher: String::new(),
    };
    tx.insert_batch(&batch, NOW).await.unwrap();
    for seq in 1..=10_i64 {
        let sql = "insert into payment (batch, seq, amount_fen, payee_name, account) values ('H-1', $1, 10000, '阿牛·木呷', '6299990100000000017')";
        tx.exec(sql, args![seq]).await.unwrap();
    }
    tx.exec("update batch set approver = 'head', released_by = 'third', released_at = $1 where number = 'H-1'", args![NOW]).await.unwrap();
    let verdict = Verdict { state: "admitted", year: 2019, admitted: (9, Fen::new(90_000)), rejected: (1, hundred), ..Verdict::default() };
    tx.set_verdict(("H-1", ""), &verdict, NOW).await.unwrap();
    let ids: Vec<i64> = tx
        .rows("select id from payment where batch = 'H-1' order by seq", args![])
        .await
        .unwrap()
        .iter()
        .map(|r| r.int(0).unwrap())
        .collect();
    let first: Vec<_> = (1..=9).map(|id| instruction(id, ids[usize::try_from(id).unwrap() - 1], None)).collect();
    tx.insert_instructions("H-1", &first).await.unwrap();
    let tranche = |kind, first_id, last_id, open| NewTranche {
        batch: "H-1",
        agreement: "A1",
        bank: "K1",
        kind,
        first_id,
        last_id,
        open: Fen::new(open),
        not_before: "2019-03-19".parse().unwrap(),
    };
    let id = tx.insert_tranche(&tranche("first", 1, 9, 90_000), NOW).await.unwrap();
    let file = NewFile {
        bank: "K1",
        agreement: "A1",
        tranche: id,
        batch: "H-1",
        profile: ("none", ""),
        business_date: "2019-03-19".parse().unwrap(),
        seq_no: 1,
        dir: "",
        name: "F1",
        flag_name: "",
        key: "F1",
        range: (1, 7),
        total: Fen::new(70_000),
    };
    let file = tx.insert_file(&file, NOW).await.unwrap();
    tx.advance_tranche(id, 1, 8, Fen::new(70_000)).await.unwrap();
    tx.exec("update file_out set state = 'sent', lines_state = 'sent', sent_at = $1 where id = $2", args![NOW, file]).await.unwrap();
    for (id, state, class) in [
        (1, "paid", ""),
        (2, "failed_final", "BA"),
        (3, "failed", "BT"),
        (4, "unknown", ""),
        (5, "returned", "UR"),
        (6, "failed_final", "BT"),
    ] {
        let sql = "insert into instruction_state (instruction_id, file_out, batch, state, class, amount_fen, since) values ($1, $2, 'H-1', $3, $4, 10000, $5)";
        tx.exec(sql, args![id, file, state, class, NOW]).await.unwrap();
    }
    tx.exec("update instruction set live = 0 where id in (2, 6)", args![]).await.unwrap();
    tx.insert_instructions("H-1", &[instruction(10, ids[5], Some(6))]).await.unwrap();
    tx.insert_tranche(&tranche("retry", 10, 10, 10_000), NOW).await.unwrap();
    let cases = [
        case("rejected", ids[9], None),
        case("failed", ids[1], Some(2)),
        case("returned", ids[4], Some(5)),
        case("unknown", ids[3], Some(4)),
    ];
    tx.insert_cases(&cases, NOW).await.unwrap();
    let funding = tx.add_funding("D1", "0901", 2019, Fen::new(200_000), NOW).await.unwrap();
    let moves = [
        (EntryKind::Fund, K::Treasury, K::ZeroBalance, 200_000),
        (EntryKind::Send, K::ZeroBalance, K::BankClearing, 70_000),
        (EntryKind::Pay, K::BankClearing, K::Paid, 20_000),
        (EntryKind::Fail, K::BankClearing, K::SuspenseCorrectable, 30_000),
        (EntryKind::Doubt, K::BankClearing, K::SuspenseUnknown, 10_000),
        (EntryKind::Return, K::Paid, K::SuspenseCorrectable, 10_000),
    ];
    for (kind, from, to, fen) in moves {
        let of = EntryOf { batch: "H-1".into(), funding: (kind == EntryKind::Fund).then_some(funding), ..EntryOf::default() };
        let movement = Movement { kind, from: purse().account(from), to: purse().account(to), amount: Fen::new(fen) };
        tx.post(NOW, &of, Origin::Ours, &movement).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn books(tx: &mut Tx) -> Books {
    tx.books().await.unwrap()
}

fn hundreds(count: i64) -> Share {
    Share { count, fen: Fen::new(count * 10_000) }
}

#[tokio::test]
async fn the_equations_hold_and_say_what_is_where() {
    for w in worlds().await {
        assert_eq!(books(&mut w.gateway.store.read().await.unwrap()).await, Books::default());
        by_hand(&w).await;
        import(&w, "clerk", &facts("P-0"), &list(3, &[])).await.unwrap();
        let b = books(&mut w.gateway.store.read().await.unwrap()).await;
        assert_eq!(b.unequal(), []);
        assert_eq!(b.batches.len(), 1, "a batch that nobody released owes nothing");
        let (told, owed) = (b.batches[0].told, b.batches[0].owed);
        assert_eq!(told.instructed, hundreds(7));
        assert_eq!([told.in_flight, told.paid, told.returned, told.failed, told.unknown], [1, 1, 1, 3, 1].map(hundreds));
        assert_eq!([owed.approved, owed.rejected, owed.held, owed.pending, owed.awaiting_retry], [10, 1, 0, 3, 1].map(hundreds));
        assert_eq!([owed.in_flight, owed.paid, owed.unknown, owed.open_cases, owed.unexplained], [1, 1, 1, 2, 0].map(hundreds));
        let t = b.totals();
        let parts = [t.payments, t.rejected, t.held, t.paid, t.failed, t.in_flight, t.unknown, t.awaiting_case];
        assert_eq!((parts, t.retries), ([10, 1, 0, 1, 2, 5, 1, 2].map(hundreds), 1));
        let account = |kind: K| b.accounts.iter().find(|a| a.kind == kind.code()).unwrap().ledger.get();
        assert_eq!(account(K::SuspenseCorrectable), 40_000);
        assert_eq!(account(K::ZeroBalance), 130_000);
    }
}

#[tokio::test]
async fn a_wrong_row_breaks_an_equation() {
    let wrongs: [(&str, &str); 13] = [
        ("update instruction set amount_fen = amount_fen + 1 where id = 7", "a"),
        ("update file_out set total_fen = total_fen + 1 where name = 'F1'", "a"),
        ("delete from instruction where id = 7", "a"),
        ("insert into payment (batch, seq, amount_fen) values ('H-1', 11, 10000)", "b"),
        ("delete from failure_case where kind = 'rejected'", "b"),
        ("update failure_case set state = 'closed' where kind = 'returned'", "b"),
        ("delete from failure_case where kind = 'failed'", "b"),
        ("update instruction set previous_id = null where id = 10", "b"),
        ("update admission set state = 'held' where batch = 'H-1'", "b"),
        ("delete from instruction_state where instruction_id = 4", "c"),
        ("update instruction_state set class = 'IR' where instruction_id = 2", "c"),
        ("update account set balance_fen = balance_fen + 1 where kind = 'paid'", "c"),
        (
            "insert into posting (entry, account, amount_fen) select max(e.id), min(a.id), 1 from entry e cross join account a where a.kind = 'conflict' or a.kind = 'zero_balance'",
            "c",
        ),
    ];
    for w in worlds().await {
        by_hand(&w).await;
        for (wrong, equation) in wrongs {
            let mut tx = w.gateway.store.begin().await.unwrap();
            assert_eq!(tx.exec(wrong, args![]).await.unwrap(), 1, "{wrong}");
            let unequal = books(&mut tx).await.unequal();
            assert!(unequal.iter().any(|u| u.equation == equation), "{}: {wrong}: {unequal:?}", w.gateway.store.engine());
        }
        assert_eq!(books(&mut w.gateway.store.read().await.unwrap()).await.unequal(), [], "nothing of it stayed");
    }
}

#[tokio::test]
async fn what_was_parted_counts_by_its_parts() {
    for w in worlds().await {
        by_hand(&w).await;
        let mut tx = w.gateway.store.begin().await.unwrap();
        // Of the fifth forty yuan came back first, then the sixty that had stayed paid.
        for sql in [
            "update instruction_state set amount_fen = 6000, state = 'failed_final' where instruction_id = 5",
            "update instruction set live = 0 where id = 5",
            "insert into remainder (instruction_id, part, claim_key, file_out, batch, state, amount_fen, reason, class, since) \
             select 5, 1, -5, file_out, batch, 'failed_final', 4000, 'LATE_RETURN', 'UR', 0 from instruction_state where instruction_id = 5",
        ] {
            assert_eq!(tx.exec(sql, args![]).await.unwrap(), 1, "{sql}");
        }
        let payment = tx.one("select payment_id from instruction where id = 5", args![]).await.unwrap().int(0).unwrap();
        tx.insert_cases(&[NewCase { amount: Fen::new(4_000), ..case("partial", payment, Some(5)) }], NOW).await.unwrap();
        assert_eq!(books(&mut tx).await.unequal(), []);
        // The sixty are tried again: they count where that stands, and the forty still wait for somebody.
        let again = NewInstruction { amount: Fen::new(6_000), ..instruction(11, payment, Some(5)) };
        tx.insert_instructions("H-1", &[again]).await.unwrap();
        let tranche = NewTranche {
            batch: "H-1",
            agreement: "A1",
            bank: "K1",
            kind: "retry",
            first_id: 11,
            last_id: 11,
            open: Fen::new(6_000),
            not_before: "2019-03-19".parse().unwrap(),
        };
        tx.insert_tranche(&tranche, NOW).await.unwrap();
        let b = books(&mut tx).await;
        assert_eq!(b.unequal(), []);
        let owed = b.batches[0].owed;
        assert_eq!((owed.pending, owed.open_cases), (Share { count: 4, fen: Fen::new(36_000) }, Share { count: 1, fen: Fen::new(14_000) }));
        tx.exec("update remainder set amount_fen = amount_fen + 1", args![]).await.unwrap();
        assert!(!books(&mut tx).await.unequal().is_empty());
    }
}

#[tokio::test]
async fn a_word_against_the_books_is_explained_by_its_conflict_and_nothing_more() {
    let w = world(None).await;
    by_hand(&w).await;
    let mut tx = w.gateway.store.begin().await.unwrap();
    // The bank pays what stands in an account that is short: its word is booked out of `conflict`.
    let movement = |amount| Movement {
        kind: EntryKind::Pay,
        from: purse().account(K::SuspenseIneligible),
        to: purse().account(K::Paid),
        amount: Fen::new(amount),
    };
    let of = EntryOf { batch: "H-1".into(), ..EntryOf::default() };
    assert!(tx.post(NOW, &of, Origin::Theirs, &movement(10_000)).await.unwrap());
    assert_eq!(books(&mut tx).await.unequal(), []);
    tx.exec("update instruction_state set class = 'IR' where instruction_id = 2", args![]).await.unwrap();
    assert!(!books(&mut tx).await.unequal().is_empty());
}

#[tokio::test]
async fn an_unknown_payment_is_settled_by_two_persons() {
    for w in worlds().await {
        let g = &w.gateway;
        by_hand(&w).await;
        let (it, bureau) = (who("it"), who("bureau"));
        assert!(no(propose_resolve(g, &who("clerk"), 4, Act::ResolvePaid, "letter 12", NOW).await).contains("may not"));
        assert!(no(propose_resolve(g, &it, 4, Act::ResolvePaid, " ", NOW).await).contains("--evidence"));
        assert!(no(propose_resolve(g, &it, 1, Act::ResolvePaid, "letter 12", NOW).await).contains("is paid"));
        assert!(no(propose_resolve(g, &it, 99, Act::ResolvePaid, "letter 12", NOW).await).contains("no instruction"));

        let (id, effect) = propose_resolve(g, &it, 4, Act::ResolvePaid, "letter 12", NOW).await.unwrap();
        assert!(effect.contains("unknown -> paid") && effect.contains(&EndToEndId(4).to_string()), "{effect}");
        assert!(no(propose_resolve(g, &bureau, 4, Act::ResolveFailed, "letter 13", NOW).await).contains("open proposal"));
        assert!(no(approve(g, &it, id, NOW).await).contains("another person"));
        assert!(no(approve(g, &who("head"), id, NOW).await).contains("may not"));
        let before = books(&mut g.store.read().await.unwrap()).await.totals();
        assert_eq!((before.unknown, before.paid), (hundreds(1), hundreds(1)));

        assert_eq!(approve(g, &bureau, id, NOW).await.unwrap(), effect);
        let after = books(&mut g.store.read().await.unwrap()).await;
        assert_eq!((after.totals().unknown, after.totals().paid, after.unequal()), (hundreds(0), hundreds(2), vec![]));
        assert!(no(approve(g, &bureau, id, NOW).await).contains("no open proposal"));
        assert_eq!(count(&w, "select count(*) from failure_case where state = 'open' and kind = 'unknown'").await, 0);
        let p = g.store.read().await.unwrap().payment_by_instruction(4).await.unwrap().unwrap();
        assert_eq!((p.state.as_str(), p.seq, p.attempts.len(), p.payee_name.as_str()), ("paid", 4, 1, "阿****"));
        assert!(p.attempts[0].bank_words.contains("it + bureau"));
    }
}

#[tokio::test]
async fn what_is_settled_as_failed_needs_somebody_and_what_changed_is_not_done() {
    for w in worlds().await {
        let g = &w.gateway;
        by_hand(&w).await;
        let (it, bureau) = (who("it"), who("bureau"));
        let (id, _) = propose_resolve(g, &it, 4, Act::ResolveFailed, "letter 12", NOW).await.unwrap();
        let word = async |state: InstructionState| {
            let mut tx = g.store.begin().await.unwrap();
            tx.exec("update instruction_state set state = $1 where instruction_id = 4", args![state.code()]).await.unwrap();
            tx.commit().await.unwrap();
        };
        word(InstructionState::Conflict).await;
        assert!(no(approve(g, &bureau, id, NOW).await).contains("propose it anew"));
        word(InstructionState::Unknown).await;
        approve(g, &bureau, id, NOW).await.unwrap();
        let b = books(&mut g.store.read().await.unwrap()).await;
        assert_eq!((b.unequal(), b.totals().failed, b.totals().unknown), (vec![], hundreds(3), hundreds(0)));
        assert_eq!(count(&w, "select count(*) from failure_case where instruction_id = 4 and kind = 'failed' and state = 'open'").await, 1);
    }
}

#[tokio::test]
async fn findings_name_the_row_and_the_next_step() {
    for w in worlds().await {
        let g = &w.gateway;
        assert!(g.store.read().await.unwrap().findings(NOW, g.today(NOW)).await.unwrap().is_empty());
        by_hand(&w).await;
        let mut tx = g.store.begin().await.unwrap();
        tx.exec("update file_out set result_due_at = $1, ack_due_at = $1", args![NOW]).await.unwrap();
        tx.set_edge("K1", 3, NOW, "no route").await.unwrap();
        tx.commit().await.unwrap();
        let later = NOW.plus_minutes(10 * 24 * 60);
        let mut tx = g.store.read().await.unwrap();
        let found = tx.findings(later, g.today(later)).await.unwrap();
        let kinds: Vec<_> = found.iter().map(|f| f.kind).collect();
        assert_eq!(kinds, ["result_overdue", "ack_overdue", "unknown", "payments_late", "cases_overdue", "edge"]);
        let unknown = found.iter().find(|f| f.kind == "unknown").unwrap();
        assert!(unknown.next.en.contains(&format!("payment resolve {}", EndToEndId(4))) && unknown.fen == Fen::new(10_000));
        let status = tx.status().await.unwrap();
        assert_eq!((status.cases_open, status.banks[0].failures, status.files.len()), (4, 3, 1));
        tx.batch_detail("H-1").await.unwrap().unwrap();
        assert_eq!(tx.cases(&Choice { state: "open", limit: 10, ..Choice::default() }).await.unwrap().len(), 4);
    }
}
