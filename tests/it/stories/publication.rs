//! R5: what was paid is published again within five calendar days, and compared with the banks' credits both ways.

use bankgate::domain::masked::IdNumber;
use bankgate::domain::publication::Span;
use bankgate::passes::operate::operator;
use bankgate::passes::publication::{posted, publication};
use calamine::{Data, Reader as _, Xlsx};

use super::bank::{BUSY, LOST, Word};
use super::world::{COUNTER, SPLIT, World, at, draft, id_number, on_both};

async fn publish(w: &World) -> u64 {
    let mut changed = 0;
    for _ in 0..4 {
        changed += publication(&w.gateway, w.now).await.unwrap().changed;
    }
    changed
}

/// State, edition, rows, fen, due day.
async fn stands(w: &World, batch: &str) -> (String, i64, i64, i64, String) {
    let rows = w.rows(&format!("select state, edition, rows, amount_fen, due_on from publication where batch = '{batch}'")).await;
    let r = &rows[0];
    (r.string(0).unwrap(), r.int(1).unwrap(), r.int(2).unwrap(), r.int(3).unwrap(), r.string(4).unwrap())
}

async fn paid(w: &World, batch: &str) -> i64 {
    w.int(&format!("select cast(coalesce(sum(amount_fen), 0) as bigint) from v_instruction where batch = '{batch}' and state = 'paid'"))
        .await
}

#[tokio::test]
async fn r5_a_result_is_published_within_five_days_and_agrees_with_the_bank() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..4)).await;
        w.settle().await;
        publish(w).await;
        assert_eq!(stands(w, "B").await, ("due".to_owned(), 0, 0, 0, String::new()), "nobody is paid yet: no day is running");
        w.answer(&w.take_one(SPLIT), &[Word::Paid, LOST, Word::Paid, Word::Paid]);
        w.settle().await;
        assert!(publish(w).await > 0);
        let sum = paid(w, "B").await;
        assert_eq!(stands(w, "B").await, ("verified".to_owned(), 1, 3, sum, "2019-03-19".to_owned()));
        assert_eq!(publish(w).await, 0, "said once");

        // The department is mailed the list, masked, once.
        let mails = w.rows("select recipients, subject, eml from outbox_mail where kind = 'publication'").await;
        assert_eq!(mails.len(), 1);
        let eml = String::from_utf8(mails[0].bytes(2).unwrap().to_vec()).unwrap();
        assert!(eml.contains(".xlsx") && !eml.contains(&id_number(0)), "the letter names nobody");

        // It is due on the fifth day, and told on that day if nobody has put it up.
        w.now = at("2019-03-18", "09:00:00");
        publish(w).await;
        assert_eq!(w.incidents("publication_due").await, 0);
        w.now = at("2019-03-19", "09:00:00");
        publish(w).await;
        publish(w).await;
        assert_eq!(w.incidents("publication_due").await, 1);
        w.sql("insert into operator (login, name, role, department) values ('li', '李', 'department', 'D1'), ('he', '何', 'department', 'D2')").await;
        let other = operator(&w.gateway, "he").await.unwrap();
        assert!(posted(&w.gateway, &other, "B", w.now).await.is_err(), "another department's list");
        let by = operator(&w.gateway, "li").await.unwrap();
        posted(&w.gateway, &by, "B", w.now).await.unwrap();
        assert!(posted(&w.gateway, &by, "B", w.now).await.is_err(), "it is up already");
        assert_eq!(w.incidents("publication_due").await, 0);
    })
    .await;
}

#[tokio::test]
async fn r5_what_is_paid_later_makes_a_new_edition() {
    on_both(async |w| {
        w.release(&draft("B", SPLIT, 0..3)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid, BUSY, Word::Paid]);
        w.settle().await;
        publish(w).await;
        assert_eq!(stands(w, "B").await.0, "due", "a retry is still to come");
        // The day before it is due it is made with what is paid.
        w.now = at("2019-03-18", "08:00:00");
        publish(w).await;
        let first = stands(w, "B").await;
        assert_eq!((first.0.as_str(), first.1, first.2), ("made", 1, 2));
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid]);
        w.settle().await;
        publish(w).await;
        let second = stands(w, "B").await;
        assert_eq!((second.0.as_str(), second.1, second.2, second.3), ("verified", 2, 3, paid(w, "B").await));
        assert_eq!(w.int("select count(*) from outbox_mail where kind = 'publication'").await, 2);
    })
    .await;
}

#[tokio::test]
async fn r5_a_payment_without_a_banks_word_and_a_word_without_payment_are_seen() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..4)).await;
        w.settle().await;
        w.answer(&w.take_one(COUNTER), &[Word::Paid, LOST, Word::Paid, Word::Paid]);
        w.settle().await;
        // Somebody's hand in the tables: what failed is said to be paid, what was paid to have failed.
        let line = |seq: i64| format!("(select v.id from v_instruction v join payment p on p.id = v.payment_id where p.seq = {seq})");
        w.sql(&format!("update instruction_state set state = 'paid' where instruction_id = {}", line(2))).await;
        w.sql(&format!(
            "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, since) select v.id, v.file_out, v.batch, 'unknown', v.amount_fen, 0 \
             from v_instruction v where v.id = {}",
            line(4)
        ))
        .await;
        w.sql("update instruction_state set state = 'failed_final' where state = 'unknown'").await;
        publish(w).await;
        let compared = w.gateway.store.read().await.unwrap().compare_credits("B").await.unwrap();
        assert_eq!((compared.without_word, compared.not_published), (vec![2], vec![4]));
        assert_eq!(stands(w, "B").await.0, "differs");
        assert_eq!(w.incidents("publication_differs").await, 1);
        assert_eq!(publish(w).await, 0, "the same difference is told once");
    })
    .await;
}

#[tokio::test]
async fn r5_the_printed_list_and_statements_are_masked_and_sum_up() {
    on_both(async |w| {
        let mut d = draft("B", SPLIT, 0..3);
        "另村".clone_into(&mut d.rows[2].village);
        d.seal();
        w.release(&d).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid; 3]);
        w.settle().await;
        publish(w).await;
        let mut tx = w.gateway.store.read().await.unwrap();
        let one = tx.publication_of("B").await.unwrap().unwrap();
        let list = bankgate::passes::publication::read_list(&w.gateway, &mut tx, &one, w.now).await.unwrap();
        let bytes = bankgate::format::workbook::publication_workbook(&list, bankgate::domain::language::Language::Zh).unwrap();
        let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
        let cells = |range: calamine::Range<Data>| -> Vec<Vec<String>> {
            range.rows().map(|r| r.iter().map(ToString::to_string).collect()).collect()
        };
        let sums = cells(book.worksheet_range("镇乡汇总").unwrap());
        let rows = cells(book.worksheet_range("村级明细").unwrap());
        assert_eq!(sums.last().unwrap()[1..], ["3".to_owned(), "300.33".to_owned()]);
        assert_eq!(rows.len(), 6);
        assert_eq!(
            rows[3][2..9],
            ["另村", "1组", "", "阿****", "阿****", IdNumber::new(id_number(2)).to_string().as_str(), "0002"].map(str::to_owned)
        );
        assert!(rows.iter().flatten().all(|cell| (0..3).all(|who| !cell.contains(&id_number(who)))));

        let span = Span::parse("2019-03").unwrap();
        let (from, to) = (at("2019-03-01", "00:00:00"), at("2019-04-01", "00:00:00"));
        let people = tx.person_statements("D1", span, (from, to), w.gateway.zone()).await.unwrap();
        assert_eq!(people.len(), 3);
        assert_eq!(people.iter().map(|p| p.total().get()).sum::<i64>(), paid(w, "B").await);
        assert!(
            tx.person_statements("D1", Span::parse("2019-04").unwrap(), (to, at("2019-05-01", "00:00:00")), w.gateway.zone())
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn r1_money_goes_to_the_persons_own_card_the_heads_or_a_proxys_with_a_mandate() {
    on_both(async |w| {
        w.sql("update project set payee_kind = 'household' where code = '1'").await;
        let mut d = draft("B", SPLIT, 0..5);
        let other = d.rows[3].clone();
        let entitle = |row: &mut bankgate::store::admission::PaymentRow, who: usize, id: &str| {
            row.entitled_name = bankgate::domain::masked::Name::new(format!("某某{who}"));
            row.entitled_id = IdNumber::new(id);
        };
        // The head of the household receives for a member; a proxy, with a mandate, for a person without an identity number.
        "head".clone_into(&mut d.rows[1].payee_role);
        "000001".clone_into(&mut d.rows[1].household_no);
        entitle(&mut d.rows[1], 1, &id_number(501));
        "proxy".clone_into(&mut d.rows[2].payee_role);
        "SQ-2019-001".clone_into(&mut d.rows[2].mandate_no);
        entitle(&mut d.rows[2], 2, "");
        // Not so: a proxy without a mandate, and another person's card under one's own name.
        "proxy".clone_into(&mut d.rows[3].payee_role);
        entitle(&mut d.rows[3], 3, "");
        d.rows[4].payee_name = other.payee_name;
        d.rows[4].payee_id = IdNumber::new(id_number(700));
        d.seal();
        w.release(&d).await;
        w.settle().await;
        assert_eq!(w.states("B").await, ["sent", "sent", "sent", "rejected", "rejected"], "{:?}", w.refusals().await);
        w.answer(&w.take_one(SPLIT), &[Word::Paid; 3]);
        w.settle().await;
        publish(w).await;
        // The public list names receiver and entitled person, both masked.
        let mut tx = w.gateway.store.read().await.unwrap();
        let one = tx.publication_of("B").await.unwrap().unwrap();
        let list = bankgate::passes::publication::read_list(&w.gateway, &mut tx, &one, w.now).await.unwrap();
        let rows: Vec<_> =
            list.villages.values().flatten().map(|r| (r.is_by_other, r.entitled_name.to_string(), r.payee_name.to_string())).collect();
        let row = |by_other, entitled: &str, payee: &str| (by_other, entitled.to_owned(), payee.to_owned());
        assert_eq!(rows, [row(false, "王*", "王*"), row(true, "某**", "李*"), row(true, "某**", "阿****")]);
        let page = bankgate::passes::publication::papers::list_html(&list, bankgate::domain::language::Language::Zh).unwrap();
        assert!(page.contains("某**") && page.contains("李*") && !page.contains("某某"), "{page}");
    })
    .await;
}
