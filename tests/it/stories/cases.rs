//! Failures and what becomes of them: told, reminded of, corrected, reclassified, recovered.

use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::passes::operate::cancel::cancel_batch;
use bankgate::passes::operate::case::{Wish, assign, note, propose};
use bankgate::passes::operate::correct::{Corrected, CorrectionFacts, Verdict, import_correction};
use bankgate::passes::operate::propose::{Act, approve, propose_resolve};
use bankgate::passes::operate::{OperateError, approve_batch, release_batch, review_batch};
use bankgate::passes::{cases, report};
use bankgate::store::desk::Operator;
use calamine::{Data, Reader as _, Xlsx};
use rust_xlsxwriter::Workbook;

use super::bank::{LOST, Word};
use super::world::{COUNTER, SPLIT, World, at, draft, id_number, on_both, reissue};

/// The account is another person's.
const MISMATCH: Word = Word::Failed("户名不符");

pub(super) fn who(login: &str) -> Operator {
    let (role, department) = match login {
        "bureau" | "chief" => ("finance", ""),
        "other" => ("department", "D2"),
        _ => ("department", "D1"),
    };
    Operator { login: login.into(), name: format!("{login}某"), role: role.into(), department: department.into() }
}

impl World {
    pub(super) async fn cases_pass(&self) -> u64 {
        let mut changed = 0;
        for _ in 0..2 {
            changed += self.one("cases", cases::cases(&self.gateway, self.now).await.unwrap()).await;
        }
        changed
    }

    async fn mails(&self, kind: &str) -> Vec<(String, String, Vec<u8>)> {
        let rows = self.rows(&format!("select recipients, subject, eml from outbox_mail where kind = '{kind}' order by id")).await;
        rows.iter().map(|r| (r.string(0).unwrap(), r.string(1).unwrap(), r.bytes(2).unwrap().to_vec())).collect()
    }

    /// The workbook that went out with the failures of the day.
    pub(super) async fn workbook(&mut self) -> Sheets {
        self.now = at("2019-03-14", "18:00:00");
        report::report(&self.gateway, self.now).await.unwrap();
        Sheets::of_mail(&self.mails("failure_report").await.last().unwrap().2)
    }

    pub(super) async fn bring(&self, login: &str, bytes: Vec<u8>) -> Result<Corrected, OperateError> {
        let facts = CorrectionFacts { file_name: "更正.xlsx".into(), ..CorrectionFacts::default() };
        import_correction(&self.gateway, &who(login), &facts, bytes, self.now).await
    }

    /// Three hands.
    pub(super) async fn hands(&self, batch: &str) {
        approve_batch(&self.gateway, &who("li"), batch, self.now).await.unwrap();
        review_batch(&self.gateway, &who("bureau"), batch, self.now).await.unwrap();
        release_batch(&self.gateway, &who("zhao"), batch, self.now).await.unwrap();
    }

    pub(super) async fn case_of(&self, kind: &str) -> (i64, String, String) {
        let r = &self.rows(&format!("select id, state, closed_as from failure_case where kind = '{kind}' order by id")).await[0];
        (r.int(0).unwrap(), r.string(1).unwrap(), r.string(2).unwrap())
    }

    /// A batch of three at the counter of which the second fails.
    async fn one_of_three_fails(&mut self, why: Word) {
        self.release(&draft("B", COUNTER, 0..3)).await;
        self.settle().await;
        let slip = self.take_one(COUNTER);
        self.answer(&slip, &[Word::Paid, why, Word::Paid]);
        self.settle().await;
        assert_eq!(self.states("B").await, ["paid", "failed_final", "paid"]);
    }
}

/// A workbook, as a spreadsheet program holds it: every cell a text.
pub struct Sheets(Vec<(String, Vec<Vec<String>>)>);

impl Sheets {
    pub fn of_mail(eml: &[u8]) -> Self {
        let script = "import email, email.policy, sys\nm = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)\n\
                      sys.stdout.buffer.write(list(m.iter_attachments())[0].get_content())";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), eml).unwrap();
        let read = crate::harness::smtp::run(std::process::Command::new("python3").args(["-c", script]).arg(file.path())).stdout;
        let mut book = Xlsx::new(std::io::Cursor::new(read)).unwrap();
        let names = book.sheet_names();
        let text = |cell: &Data| cell.to_string();
        let rows = |book: &mut Xlsx<_>, name: &str| {
            let range = book.worksheet_range(name).unwrap();
            let (height, width) = range.end().unwrap();
            let at = |row, column| range.get_value((row, column)).map(text).unwrap_or_default();
            (0..=height).map(|row| (0..=width).map(|column| at(row, column)).collect()).collect()
        };
        Self(names.iter().map(|name| (name.clone(), rows(&mut book, name))).collect())
    }

    fn column(&self, title: &str) -> usize {
        self.0[0].1[2].iter().position(|t| t == title).unwrap_or_else(|| panic!("{title}"))
    }

    /// A cell of the first sheet, by its row among the payments and its title.
    pub fn cell(&mut self, row: usize, title: &str) -> &mut String {
        let column = self.column(title);
        &mut self.0[0].1[row + 3][column]
    }

    /// The same rows with the columns in the other order and blank rows between, as somebody may have edited them.
    pub fn upside_down(&self) -> Self {
        let mut sheets = Self(self.0.clone());
        let rows = &mut sheets.0[0].1;
        rows.iter_mut().for_each(|row| row.reverse());
        let blank = vec![String::new(); rows[0].len()];
        rows.insert(3, blank.clone());
        rows.push(blank);
        sheets
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut book = Workbook::new();
        for (name, rows) in &self.0 {
            let sheet = book.add_worksheet().set_name(name).unwrap();
            for (row, cells) in (0..).zip(rows) {
                for (column, cell) in (0..).zip(cells) {
                    if let Some(digits) = cell.strip_prefix("number:") {
                        sheet.write_number(row, column, digits.parse::<u32>().unwrap()).unwrap();
                    } else if let Some(formula) = cell.strip_prefix("formula:") {
                        sheet.write_formula(row, column, formula).unwrap();
                    } else if !cell.is_empty() {
                        sheet.write_string(row, column, cell).unwrap();
                    }
                }
            }
        }
        book.save_to_buffer().unwrap()
    }
}

const NEW_CARD: &str = "6217001234599999999";

#[tokio::test]
async fn r2_a_correction_goes_through_the_whole_approval_and_is_paid_once() {
    on_both(async |w| {
        w.one_of_three_fails(MISMATCH).await;
        let mut sheets = w.workbook().await;
        assert_eq!(sheets.cell(0, "支付编号"), "B-000002");
        let empty = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert_eq!((empty.count(Verdict::Unfilled), empty.batches.len()), (1, 0), "nothing filled in, nothing done");
        *sheets.cell(0, "更正卡号") = NEW_CARD.to_owned();
        assert!(matches!(w.bring("other", sheets.bytes()).await.unwrap().rows[0].verdict, Verdict::Refused), "another department's");
        let bytes = sheets.upside_down().bytes();
        let taken = w.bring("zhang", bytes.clone()).await.unwrap();
        assert_eq!(taken.count(Verdict::Accepted), 1, "{taken:?}");
        let batch = taken.batches[0].number.clone();
        assert!(w.bring("zhang", bytes).await.unwrap().before.is_some_and(|told| told.contains(&batch)), "the same bytes change nothing");
        *sheets.cell(0, "备注") = "又一次".to_owned();
        let again = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(again.rows[0].verdict == Verdict::Refused && again.rows[0].words.contains(&batch), "{again:?}");
        assert_eq!(w.int("select count(*) from batch where kind = 'reissue'").await, 1);

        w.settle_at("2019-03-15", "09:00:00").await;
        assert!(w.take(COUNTER).is_empty(), "nothing is paid unapproved");
        assert!(approve_batch(&w.gateway, &who("zhang"), &batch, w.now).await.is_err(), "not by who brought it");
        w.hands(&batch).await;
        w.settle().await;
        w.cases_pass().await;
        assert_eq!(
            (w.case_of("failed").await.1, w.int("select count(*) from failure_case where successor is not null").await),
            ("open".into(), 1)
        );
        let slip = w.take_one(COUNTER);
        assert_eq!((slip.orders.len(), slip.orders[0].account.as_str(), &slip.orders[0].id), (1, NEW_CARD, &id_number(1)));
        w.books_hold().await;
        w.answer(&slip, &[Word::Paid]);
        w.settle().await;
        w.cases_pass().await;
        let (_, state, closed_as) = w.case_of("failed").await;
        assert_eq!((state.as_str(), closed_as.as_str()), ("closed", "reissued"));
        assert_eq!((w.states("B").await[1].as_str(), w.states(&batch).await), ("reissued", vec!["paid".to_owned()]));
        assert_eq!(w.balance("suspense:correctable").await, 0);
        w.books_hold().await;
        *sheets.cell(0, "备注") = "第三次".to_owned();
        let late = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(late.rows[0].words.contains(&batch), "what happened since is said: {late:?}");
    })
    .await;
}

#[tokio::test]
async fn r2_a_row_that_does_not_hold_is_refused_with_its_reason() {
    on_both(async |w| {
        w.release(&draft("B", COUNTER, 0..8)).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        w.answer(&slip, &[MISMATCH; 8]);
        w.settle().await;
        let mut sheets = w.workbook().await;
        let wrong_check = format!("{}{}", &id_number(1)[..17], if id_number(1).ends_with('0') { "1" } else { "0" });
        *sheets.cell(0, "更正身份证号") = wrong_check;
        *sheets.cell(1, "更正身份证号") = "number:511123197".to_owned();
        *sheets.cell(2, "更正卡号") = "formula:=1+1".to_owned();
        *sheets.cell(3, "更正姓名") = "=cmd|' /C calc'!A0".to_owned();
        *sheets.cell(4, "更正身份证号") = "5.11123E+17".to_owned();
        // Sorted by halves: the hidden reference is another row's.
        let other = sheets.cell(4, "原支付指令号").clone();
        *sheets.cell(5, "原支付指令号") = other;
        *sheets.cell(5, "更正卡号") = NEW_CARD.to_owned();
        // Corrected into somebody who is paid in this batch's project and period.
        *sheets.cell(6, "更正身份证号") = id_number(9);
        *sheets.cell(6, "更正姓名") = "郑十".to_owned();
        *sheets.cell(7, "更正卡号") = NEW_CARD.to_owned();
        *sheets.cell(7, "处理意见") = "退回国库".to_owned();
        w.release(&draft("C", COUNTER, [9])).await;
        w.settle_at("2019-03-15", "09:00:00").await;
        let taken = w.bring("zhang", sheets.bytes()).await.unwrap();
        let words: Vec<&str> = taken.rows.iter().map(|r| r.words.as_str()).collect();
        for (at, part) in ["校验不通过", "数字", "公式", "= + - @", "科学计数", "不一致", "另有发放", "只能取其一"].iter().enumerate()
        {
            assert!(words[at].contains(part), "row {at}: {words:?}");
        }
        assert_eq!((taken.count(Verdict::Refused), taken.batches.len()), (8, 0));
        assert_eq!(w.int("select count(*) from correction").await, 0, "what was refused whole may come again");
    })
    .await;
}

#[tokio::test]
async fn r2_a_correction_that_nobody_approves_is_taken_back_and_leaves_its_payment_to_another() {
    on_both(async |w| {
        w.one_of_three_fails(MISMATCH).await;
        let mut sheets = w.workbook().await;
        *sheets.cell(0, "更正卡号") = NEW_CARD.to_owned();
        let first = w.bring("zhang", sheets.bytes()).await.unwrap().batches[0].number.clone();
        *sheets.cell(0, "备注") = "卡号又换了".to_owned();
        assert!(w.bring("zhang", sheets.bytes()).await.unwrap().rows[0].words.contains(&first));
        approve_batch(&w.gateway, &who("li"), &first, w.now).await.unwrap();
        assert!(cancel_batch(&w.gateway, &who("other"), &first, "不归我管的", w.now).await.is_err(), "another department");
        assert!(cancel_batch(&w.gateway, &who("zhang"), &first, " ", w.now).await.is_err(), "why?");
        let (proposal, effect) = cancel_batch(&w.gateway, &who("zhang"), &first, "卡号填错，重新更正", w.now).await.unwrap();
        assert!(proposal.is_none() && effect.contains("not released"), "nobody released it: no money, no second person: {effect}");
        assert!(cancel_batch(&w.gateway, &who("zhang"), &first, "卡号填错，重新更正", w.now).await.is_err(), "once");
        assert!(review_batch(&w.gateway, &who("bureau"), &first, w.now).await.is_err());
        assert!(release_batch(&w.gateway, &who("zhao"), &first, w.now).await.is_err());
        assert_eq!(w.int("select count(*) from audit where act = 'batch.cancel'").await, 1);

        let second = w.bring("zhang", sheets.bytes()).await.unwrap().batches[0].number.clone();
        w.settle_at("2019-03-15", "09:00:00").await;
        w.hands(&second).await;
        // Somebody releases the first behind our back: its payment is being made already.
        w.sql(&format!(
            "update batch set finance_reviewer = 'wang', released_by = 'zhao', released_at = {} where number = '{first}'",
            w.now.plus_minutes(60).millis()
        ))
        .await;
        w.settle().await;
        w.settle_at("2019-03-15", "11:00:00").await;
        let slip = w.take_one(COUNTER);
        assert_eq!(slip.orders.len(), 1);
        w.answer(&slip, &[Word::Paid]);
        w.settle().await;
        assert_eq!((w.states(&second).await, w.states("B").await[1].as_str()), (vec!["paid".to_owned()], "reissued"));
        assert!(w.attempts(&first).await.is_empty());
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_released_batch_that_waits_at_the_gate_is_taken_back_by_two_persons() {
    on_both(async |w| {
        let mut d = draft("C", COUNTER, [7, 8]);
        d.pay_on = "2020-03-16".to_owned();
        d.seal();
        w.release(&d).await;
        w.settle().await;
        assert_eq!((w.states("C").await, w.incidents("funds_short").await), (vec!["held".to_owned(); 2], 1));
        assert!(
            cancel_batch(&w.gateway, &who("zhang"), "C", "名单作废，另行申报", w.now).await.is_err(),
            "it is money: not a department's"
        );
        let (proposal, effect) = cancel_batch(&w.gateway, &who("bureau"), "C", "名单作废，另行申报", w.now).await.unwrap();
        assert!(effect.contains("held at the gate"), "{effect}");
        w.settle().await;
        assert_eq!(w.states("C").await, vec!["held"; 2], "only proposed");
        assert!(approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.is_err(), "not by the same person");
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!((w.states("C").await, w.incidents("funds_short").await), (vec!["returned".to_owned(); 2], 0));
        w.books_hold().await;
        w.sql(&format!(
            "insert into funding (department, project, year, amount_fen, arrived_at) values ('D1', '1', 2020, 100000000, {})",
            w.now.millis()
        ))
        .await;
        w.settle().await;
        assert!(w.attempts("C").await.is_empty(), "the funds came too late for it");
        assert!(cancel_batch(&w.gateway, &who("bureau"), "B", "没有这一批", w.now).await.is_err());
        w.release(&draft("B", COUNTER, [1])).await;
        w.settle().await;
        assert!(
            cancel_batch(&w.gateway, &who("bureau"), "B", "已经在发了", w.now).await.is_err(),
            "what is being paid is settled otherwise"
        );
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn i6_a_late_success_behind_a_correction_that_is_out_is_an_alarm_and_never_silent() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        w.release(&reissue("R", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.cases("double_payment_suspected").await, w.incidents("double_payment_suspected").await), (1, 1));
        w.answer(&again, &[Word::Paid]);
        w.settle().await;
        w.cases_pass().await;
        let (id, state, _) = w.case_of("double_payment_suspected").await;
        assert_eq!(state, "open", "what was paid twice is closed by persons only");
        let (proposal, _) = propose(&w.gateway, &who("bureau"), id, Wish::Close("银行书面确认只入账一笔"), w.now).await.unwrap();
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(w.case_of("double_payment_suspected").await.2, "evidence");
    })
    .await;
}

#[tokio::test]
async fn i6_a_late_success_whose_successor_failed_is_paid_with_its_money_by_two_persons() {
    on_both(async |w| {
        w.polls(SPLIT);
        w.release(&draft("B", SPLIT, 0..2)).await;
        w.settle().await;
        let slip = w.take_one(SPLIT);
        w.answer(&slip, &[LOST, Word::Paid]);
        w.settle().await;
        w.release(&reissue("R", SPLIT, &[(0, slip.orders[0].reference.clone())])).await;
        w.settle().await;
        let again = w.take_one(SPLIT);
        w.poll(&slip, &[(0, Word::Paid)]);
        w.settle().await;
        let last = w.int("select max(id) from instruction").await;
        let resolve = async |w: &World, id: i64| {
            propose_resolve(&w.gateway, &who("bureau"), id, Act::ResolvePaid, "行函[2019]9号：首次已入账", w.now).await
        };
        assert!(resolve(w, last).await.is_err(), "it is at the bank: it may still be paid itself");
        w.answer(&again, &[LOST]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.states("B").await[0].as_str(), w.states("R").await), ("reissued", vec!["failed_final".to_owned()]));
        let fen = slip.orders[0].fen;
        assert_eq!((w.balance("suspense:correctable").await, w.cases("double_payment_suspected").await), (fen, 1));
        let paid = w.balance("paid").await;
        let (proposal, effect) = resolve(w, last).await.unwrap();
        assert!(effect.contains(&format!("its money paid {}", slip.orders[0].reference)), "{effect}");
        assert!(approve(&w.gateway, &who("bureau"), proposal, w.now).await.is_err(), "one person is not two");
        approve(&w.gateway, &who("chief"), proposal, w.now).await.unwrap();
        w.settle().await;
        w.cases_pass().await;
        assert_eq!((w.states("B").await[0].as_str(), w.states("R").await), ("reissued", vec!["paid".to_owned()]));
        assert_eq!((w.balance("suspense:correctable").await, w.balance("paid").await), (0, paid + fen));
        assert_eq!(w.int("select count(*) from failure_case where state = 'open'").await, 0);
        assert_eq!(w.incidents("double_payment_suspected").await, 0);
        w.audit("two persons").await;
        w.books_hold().await;
        // It is paid: no third attempt, and a failure that nobody suspects is not made a success by anybody.
        w.release(&reissue("S", SPLIT, &[(0, again.orders[0].reference.clone())])).await;
        w.settle().await;
        assert_eq!(w.states("S").await, ["rejected"]);
        w.release(&draft("C", SPLIT, 5..6)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[LOST]);
        w.settle().await;
        assert!(resolve(w, w.int("select max(id) from instruction").await).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_reissue_that_fails_goes_on_in_its_own_case_and_one_that_was_blocked_gives_its_case_back() {
    on_both(async |w| {
        w.one_of_three_fails(MISMATCH).await;
        let reference = w.texts("select reference from v_payment where batch = 'B' order by seq").await.swap_remove(1);
        w.release(&reissue("R", COUNTER, &[(1, reference.clone())])).await;
        w.admit().await;
        w.cases_pass().await;
        assert_eq!(w.int("select count(*) from failure_case where successor is not null").await, 1);
        w.exclude(1).await;
        w.settle().await;
        w.cases_pass().await;
        assert_eq!(w.states("R").await, ["rejected"], "blocked before it was sent, with its case");
        assert_eq!(w.int("select count(*) from failure_case where successor is not null").await, 0);
        assert_eq!(w.case_of("failed").await.1, "open");
        w.sql("delete from ineligible").await;
        w.release(&reissue("S", COUNTER, &[(1, reference)])).await;
        w.settle_at("2019-03-15", "09:00:00").await;
        w.answer(&w.take_one(COUNTER), &[MISMATCH]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!(w.case_of("failed").await.2, "reissued");
        assert_eq!(w.int("select count(*) from failure_case where kind = 'failed' and state = 'open'").await, 1);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r4_a_person_who_becomes_ineligible_is_blocked_before_and_recovered_after_payment() {
    on_both(async |w| {
        w.exclude(0).await;
        w.release(&draft("B", COUNTER, 0..4)).await;
        w.settle().await;
        assert_eq!(w.states("B").await[0], "rejected", "blocked before");
        let slip = w.take_one(COUNTER);
        // Two die while the file is at the bank; one of them only after the day of payment.
        w.exclude(1).await;
        let after = format!("insert into ineligible (id_number, reason, from_date) values ('{}', 'DECEASED', '2019-03-20')", id_number(2));
        w.sql(&after).await;
        w.cases_pass().await;
        assert_eq!((w.cases("rejected").await, w.cases("recovery").await), (1, 0), "nothing is asked back before it is paid");
        w.answer(&slip, &[Word::Paid; 3]);
        w.settle().await;
        w.cases_pass().await;
        assert_eq!(w.texts("select class || ' ' || reason from failure_case where kind = 'recovery'").await, ["IR DECEASED"]);
        assert_eq!(w.int("select count(*) from ineligible_news where is_open = 1").await, 0, "nobody is looked at for ever");
        assert_eq!(w.mails("recovery").await.len(), 1);
        assert_eq!(w.cases_pass().await, 0, "once");

        let (id, ..) = w.case_of("recovery").await;
        let amount = Fen::new(10_011);
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert_eq!(tx.recovery_candidates(amount, None, None).await.unwrap().len(), 1);
        assert_eq!(tx.recovery_candidates(Fen::new(1), None, None).await.unwrap().len(), 0);
        assert!(!cases::recovered(&w.gateway, &mut tx, id, Fen::new(10_010), None, "少还一分", w.now).await.unwrap(), "whole or nothing");
        drop(tx);
        let paid = w.balance("paid").await;
        let wish = Wish::Recover("收款凭证2019-001");
        let (proposal, _) = propose(&w.gateway, &who("bureau"), id, wish, w.now).await.unwrap();
        assert!(approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.is_err(), "not by the same person");
        approve(&w.gateway, &who("chief"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(w.balance("paid").await, paid - 10_011);
        assert_eq!(w.balance("suspense:ineligible").await, 10_011);
        let mut tx = w.gateway.store.begin().await.unwrap();
        assert!(cases::recovered(&w.gateway, &mut tx, id, amount, None, "再说一次", w.now).await.unwrap(), "and again changes nothing");
        tx.commit().await.unwrap();
        assert_eq!((w.balance("suspense:ineligible").await, w.case_of("recovery").await.1), (10_011, "open".to_owned()));
        w.audit("recovery").await;
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn r7_every_failure_reaches_its_department_once_and_is_reminded_and_escalated() {
    on_both(async |w| {
        w.sql("update department set mail = 'ny@county.example' where code = 'D1'").await;
        w.one_of_three_fails(MISMATCH).await;
        let _ = w.workbook().await;
        report::report(&w.gateway, w.now).await.unwrap();
        assert_eq!(w.mails("failure_report").await.len(), 1, "told once");
        w.cases_pass().await;
        assert_eq!(w.texts("select money_on from failure_case").await, ["2019-03-14"]);
        // Due on Thursday the 21st: five working days.
        w.now = at("2019-03-21", "15:00:00");
        assert_eq!(w.cases_pass().await, 0, "not before its day is over");
        w.now = at("2019-03-22", "09:05:00");
        w.cases_pass().await;
        w.now = at("2019-03-25", "15:00:00");
        w.cases_pass().await;
        let reminders = w.mails("remind").await;
        assert_eq!(reminders.len(), 1, "once, then not before five working days have gone");
        let (to, subject, eml) = &reminders[0];
        assert!(to == "ny@county.example" && subject.contains("1笔") && subject.contains("8天"), "{to} {subject}");
        assert!(!String::from_utf8_lossy(eml).contains("李珅"));
        assert!(w.mails("escalate").await.is_empty());
        w.now = at("2019-03-27", "09:05:00");
        w.cases_pass().await;
        w.now = at("2019-03-28", "09:05:00");
        w.cases_pass().await;
        let escalated = w.mails("escalate").await;
        assert_eq!(escalated.len(), 1, "once");
        assert_eq!(escalated[0].0, "ny@county.example,it@finance.example");
        w.now = at("2019-03-29", "09:05:00");
        w.cases_pass().await;
        assert_eq!((w.mails("remind").await.len(), w.mails("escalate").await.len()), (2, 1), "again after five working days");
        assert_eq!(w.int("select reminded from failure_case").await, 2);

        let (id, ..) = w.case_of("failed").await;
        assert!(note(&w.gateway, &who("other"), id, "不是我的", w.now).await.is_err());
        note(&w.gateway, &who("zhang"), id, "已通知村里核对", w.now).await.unwrap();
        assert!(assign(&w.gateway, &who("zhang"), id, "nobody", "", w.now).await.is_err());
        let detail = w.gateway.store.read().await.unwrap().case_detail(id).await.unwrap().unwrap();
        assert_eq!(
            (detail.note.as_str(), detail.payee.as_str(), detail.history.last().unwrap().what.as_str()),
            ("已通知村里核对", "李*", "note")
        );
    })
    .await;
}

#[tokio::test]
async fn r7_the_completed_list_reaches_its_department_once_also_when_nothing_failed() {
    on_both(async |w| {
        w.sql("update department set mail = 'ny@county.example' where code = 'D1'").await;
        w.release(&draft("A", SPLIT, 3..5)).await;
        w.settle().await;
        w.answer(&w.take_one(SPLIT), &[Word::Paid; 2]);
        w.one_of_three_fails(MISMATCH).await;
        assert_eq!(w.states("A").await, vec!["paid"; 2]);
        for hour in ["18:00:00", "19:00:00"] {
            w.now = at("2019-03-14", hour);
            report::report(&w.gateway, w.now).await.unwrap();
        }
        let lists = w.mails("completed_list").await;
        let subjects: Vec<&str> = lists.iter().map(|(_, subject, _)| subject.as_str()).collect();
        assert_eq!(lists.len(), 2, "each batch's, once: {subjects:?}");
        assert!(lists.iter().all(|(to, _, _)| to == "ny@county.example"));
        for batch in ["A", "B"] {
            assert!(
                subjects.iter().any(|s| s.contains(&format!("批次{batch}")) || s.contains(&format!("批次 {batch}"))),
                "{batch}: {subjects:?}"
            );
        }
        // Of the batch in which nothing failed there is no failure to tell; of the other there is, with the person and the reason.
        assert_eq!(w.mails("failure_report").await.len(), 1);
        let mut sheets = Sheets::of_mail(&w.mails("failure_report").await[0].2);
        assert_eq!(["支付编号", "户主/姓名", "失败原因"].map(|title| sheets.cell(0, title).clone()), ["B-000002", "李珅", "户名不符"]);
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_reclassified_or_cancelled_by_two_persons_and_its_money_goes_along() {
    on_both(async |w| {
        w.one_of_three_fails(MISMATCH).await;
        w.cases_pass().await;
        let (id, ..) = w.case_of("failed").await;
        let amount = w.balance("suspense:correctable").await;
        assert!(amount > 0);
        let wish = Wish::Reclassify(Reason::Deceased, "死亡证明2019-07");
        let (proposal, _) = propose(&w.gateway, &who("zhang"), id, wish, w.now).await.unwrap();
        assert!(propose(&w.gateway, &who("zhang"), id, Wish::Cancel("不再发放了"), w.now).await.is_err(), "one at a time");
        assert!(approve(&w.gateway, &who("li"), proposal.unwrap(), w.now).await.is_err(), "a department does not approve it");
        approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!((w.balance("suspense:correctable").await, w.balance("suspense:ineligible").await), (0, amount));
        assert_eq!(w.texts("select class from failure_case").await, ["IR"]);
        w.audit("reclassify").await;
        w.books_hold().await;
        let mut sheets = w.workbook().await;
        *sheets.cell(0, "更正卡号") = NEW_CARD.to_owned();
        let refused = w.bring("zhang", sheets.bytes()).await.unwrap();
        assert!(refused.rows[0].words.contains("改判"), "{refused:?}");

        let back = Wish::Reclassify(Reason::NameMismatch, "证明有误，本人健在");
        let (proposal, _) = propose(&w.gateway, &who("zhang"), id, back, w.now).await.unwrap();
        approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(w.balance("suspense:correctable").await, amount);
        let (proposal, _) = propose(&w.gateway, &who("zhang"), id, Wish::Cancel("全家迁出，不再享受"), w.now).await.unwrap();
        approve(&w.gateway, &who("bureau"), proposal.unwrap(), w.now).await.unwrap();
        assert_eq!(
            (w.balance("suspense:ineligible").await, w.case_of("failed").await.1),
            (amount, "open".to_owned()),
            "until it is refunded"
        );
        w.books_hold().await;
        assert!(propose(&w.gateway, &who("bureau"), id, Wish::Close("就这样吧"), w.now).await.is_err(), "money lies with us");

        w.exclude(7).await;
        w.release(&draft("C", COUNTER, [7])).await;
        w.settle().await;
        let (id, ..) = w.case_of("rejected").await;
        let (proposal, _) = propose(&w.gateway, &who("zhang"), id, Wish::Cancel("名单属实"), w.now).await.unwrap();
        assert_eq!((proposal, w.case_of("rejected").await.2), (None, "cancelled".to_owned()), "no money, no second person");
        w.books_hold().await;
    })
    .await;
}
