//! What people must know is told once: written into the outbox with what it is about, and delivered through whatever a
//! relay does (law 8, incident T9).

mod world;

use bankgate::args;
use bankgate::domain::money::Fen;
use bankgate::domain::reason::Reason;
use bankgate::domain::time::Timestamp;
use bankgate::mail::{Draft, Mailer, SmtpMailer, SmtpSettings, compose};
use bankgate::passes::deliver::deliver;
use bankgate::passes::report::report;
use bankgate::store::desk::{NewIncident, NewMail};
use chrono_tz::Tz;
use secrecy::SecretString;

use crate::harness::smtp::Relay;
use world::{FEW, World, at, card, case, day, file, insert_batch, instruction, sqlite, tranche, unpacked, worlds};

async fn told(world: &World, now: Timestamp) -> u64 {
    report(&world.gateway, now).await.unwrap().changed
}

#[tokio::test]
async fn one_report_a_department_bank_and_day_and_its_workbook_is_the_rows() {
    for world in worlds().await {
        world.batch(1, 9, 0, "sent").await;
        let (today, yesterday) = (day(20), day(19));
        world
            .cases(
                &[
                    case("failed", 1001, "D1", "A", Reason::NameMismatch, today),
                    case("failed", 1002, "D1", "A", Reason::AcctClosed, today),
                    case("returned", 1003, "D1", "A", Reason::LateReturn, today),
                    case("rejected", 1004, "D1", "", Reason::AcctNoInvalid, today),
                    case("failed", 1005, "D1", "B", Reason::AcctClosed, today),
                    case("unknown", 1006, "D1", "A", Reason::ResultUnknown, today),
                    case("failed", 1007, "D1", "A", Reason::AcctClosed, yesterday),
                ],
                at(20, 15, 0),
            )
            .await;
        // Before the hour only what an earlier day left behind.
        assert_eq!(told(&world, at(20, 17, 29)).await, 1);
        assert_eq!(told(&world, at(20, 17, 30)).await, 3);
        assert_eq!(told(&world, at(20, 17, 31)).await, 0);
        assert_eq!(world.count("select count(*) from failure_case where mail is null and kind <> 'unknown'").await, 0);
        assert_eq!(world.count("select count(*) from failure_case where mail is not null and kind = 'unknown'").await, 0);

        let letters = world.mails("failure_report").await;
        let subjects: Vec<&str> = letters.iter().map(|l| l.subject.as_str()).collect();
        assert_eq!(letters.len(), 4, "{subjects:?}");
        let of_a =
            letters.iter().find(|l| l.subject.contains("甲银行 2019年3月20日 共3笔 3.00元")).unwrap_or_else(|| panic!("{subjects:?}"));
        assert!(letters.iter().any(|l| l.subject.contains("发放前校验 2019年3月20日 共1笔")), "{subjects:?}");
        assert_eq!(of_a.recipients, "mz@example.gov.cn,cw@example.gov.cn");
        assert_eq!(of_a.to, "民政局 <mz@example.gov.cn>, cw@example.gov.cn");
        let keys = ["payee_name", "id_last_four", "account_last_four", "payment_no", "amount", "reason_code", "class", "due", "bank_words"];
        let row = |id: i64, reason: Reason| {
            let scrubbed = format!("户名不符，原户名为[***] ****{}", card(id).split_at(15).1);
            let (reason_code, class) = (reason.code().to_owned(), reason.class().code().to_owned());
            let account = card(id).split_at(15).1.to_owned();
            vec![
                format!("测{id}"),
                "2019".into(),
                account,
                format!("B1-{:06}", id - 1000),
                "1".into(),
                reason_code,
                class,
                "2019-03-27".into(),
                scrubbed,
            ]
        };
        assert_eq!(of_a.table(&keys), [row(1001, Reason::NameMismatch), row(1002, Reason::AcctClosed), row(1003, Reason::LateReturn)]);
        for letter in &letters {
            letter.assert_bodies_name_nobody();
            let all = unpacked(&letter.workbooks[0], world.dir.path());
            assert!(all.contains("测10") && !all.contains(world::ID) && !all.contains("6217001234567") && !all.contains("李四"));
        }

        // What comes after the day's report waits for the next day: one report a day.
        world.cases(&[case("failed", 1008, "D1", "A", Reason::AcctClosed, today)], at(20, 17, 40)).await;
        assert_eq!(told(&world, at(20, 17, 45)).await, 0);
        assert_eq!(told(&world, at(21, 0, 1)).await, 1);
        // A case that was settled before anybody was told is no news.
        world.cases(&[case("failed", 1009, "D1", "A", Reason::AcctClosed, today)], at(21, 9, 0)).await;
        world.run("update failure_case set state = 'closed' where payment_id = 1009", args![]).await;
        assert_eq!(told(&world, at(22, 9, 0)).await, 0);
    }
}

#[tokio::test]
async fn a_crash_between_leaves_it_untold_and_two_nodes_tell_it_once() {
    for world in worlds().await {
        world.batch(1, 2, 0, "sent").await;
        world.cases(&[case("failed", 1001, "D1", "A", Reason::AcctClosed, day(20))], at(20, 15, 0)).await;
        let now = at(20, 18, 0);
        // Everything done but the commit.
        let mut tx = world.gateway.store.begin().await.unwrap();
        let group = tx.failure_groups(day(20)).await.unwrap().remove(0);
        let (id, _) = tx.failures_untold(&group, 10).await.unwrap().remove(0);
        let recipients = ["mz@example.gov.cn".to_owned()];
        let mail =
            NewMail { dedup_key: "k", message_id: "<m@x>", kind: "failure_report", recipients: &recipients, subject: "", eml: vec![1] };
        let mail = tx.enqueue_mail(mail, now).await.unwrap().unwrap();
        assert!(tx.cases_told(&[id], mail).await.unwrap());
        assert!(!tx.cases_told(&[id], mail).await.unwrap(), "told twice");
        drop(tx);
        assert_eq!(world.count("select count(*) from outbox_mail").await, 0);

        // Two nodes at once, over the same rows.
        let (one, two) = tokio::join!(report(&world.gateway, now), report(&world.gateway, now));
        assert_eq!(one.unwrap().changed + two.unwrap().changed, 1);
        assert_eq!(world.count("select count(*) from outbox_mail").await, 1);
        let told = "select count(*) from failure_case c join outbox_mail m on m.id = c.mail";
        assert_eq!(world.count(told).await, 1);
    }
}

#[tokio::test]
async fn a_department_without_an_address_is_told_through_finance_it() {
    for world in worlds().await {
        world.batch(1, 1, 0, "sent").await;
        world.cases(&[case("failed", 1001, "D2", "A", Reason::AcctClosed, day(20))], at(20, 15, 0)).await;
        assert_eq!(told(&world, at(20, 18, 0)).await, 2);
        let letter = world.mails("failure_report").await.remove(0);
        assert_eq!(letter.recipients, "duty@finance.example");
        assert!(letter.subject.starts_with("【测试市农业农村局没有邮箱，请转交】"), "{}", letter.subject);
        let alert = world.mails("alert").await.remove(0);
        assert!(alert.text.contains("department.mail") && alert.text.contains("address:D2"), "{}", alert.text);
        // Once it has one, the incident closes by itself.
        world.run("update department set mail = 'ny@example.gov.cn' where code = 'D2'", args![]).await;
        world.cases(&[case("returned", 1001, "D2", "A", Reason::LateReturn, day(20))], at(21, 9, 0)).await;
        assert_eq!(told(&world, at(21, 9, 1)).await, 1);
        assert_eq!(world.texts("select state from incident").await, ["closed"]);
        assert_eq!(world.mails("failure_report").await[1].recipients, "ny@example.gov.cn");
    }
}

const RESULTS: [&str; 5] = ["payee_name", "amount", "result", "paid_on", "reason"];

#[tokio::test]
async fn a_batch_gets_its_completed_list_once_also_when_nothing_failed() {
    for world in worlds().await {
        let batch = world.batch(1, 3, 0, "paid").await;
        world.run("insert into file_in (id, bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, file_out, answer_set, state, seen_at, updated_at) values (7, 'A', 'x', '', 'result', '', '', 'R', 'k', 's', 1, '', 1, 7, 'applied', 0, 0)", args![]).await;
        for id in 1001..=1002 {
            let sql = "insert into answer_line (file_in, line, instruction_id, payee_name, id_number, account, outcome, is_final, reason, class, raw_code, raw_text, bank_ref, on_date) values (7, $1, $1, '', '', '', 'paid', 1, '', '', '', '', '', '2019-03-21')";
            world.run(sql, args![id]).await;
        }
        assert_eq!(told(&world, at(20, 10, 0)).await, 1);
        assert_eq!(told(&world, at(20, 10, 1)).await, 0);
        let letter = world.mails("completed_list").await.remove(0);
        assert_eq!(letter.recipients, "mz@example.gov.cn,cw@example.gov.cn");
        assert!(letter.subject.contains(&format!("批次{batch} 共3笔 3.00元，成功3笔，未成功0笔")), "{}", letter.subject);
        let paid = |id: i64, on: &str| [&format!("测{id}"), "1", "发放成功", on, ""].map(str::to_owned).to_vec();
        assert_eq!(letter.table(&RESULTS), [paid(1001, "2019-03-21"), paid(1002, "2019-03-21"), paid(1003, "")]);
        letter.assert_bodies_name_nobody();
        assert!(!unpacked(&letter.workbooks[0], world.dir.path()).contains(&card(1001)));
    }
}

#[tokio::test]
async fn of_a_list_that_no_mail_could_carry_the_workbook_has_what_was_not_paid_and_the_letter_all_sums() {
    for world in worlds().await {
        let batch = world.batch(1, 2250, 0, "paid").await;
        let failed = "insert into instruction_state (instruction_id, file_out, batch, state, amount_fen, class, reason, since) \
                      select id, 1, 'B1', 'failed_final', amount_fen, 'CD', 'NAME_MISMATCH', 0 from instruction where id % 2 = 1";
        world.run(failed, args![]).await;
        // Rows beyond what is listed whole.
        world.run("update admission set admitted_count = 50001 where batch = $1", args![&batch]).await;
        assert_eq!(told(&world, at(20, 10, 0)).await, 1);
        let letter = world.mails("completed_list").await.remove(0);
        assert!(letter.subject.contains("共2250笔 2250.00元，成功1125笔，未成功1125笔"), "{}", letter.subject);
        for sum in ["发放成功：1125 笔，1125.00 元", "发放失败：1125 笔，1125.00 元", "附件只列未成功的支付"] {
            assert!(letter.text.contains(sum), "{sum}: {}", letter.text);
        }
        let of = |id: i64| vec![format!("测{id}"), "发放失败".to_owned(), Reason::NameMismatch.zh().to_owned()];
        let expected: Vec<Vec<String>> = (1001..=3250).filter(|id| id % 2 == 1).map(of).collect();
        assert_eq!(letter.table(&["payee_name", "result", "reason"]), expected);
        letter.assert_bodies_name_nobody();
    }
}

#[tokio::test]
async fn a_list_waits_for_every_definite_word_and_for_every_retry() {
    for world in worlds().await {
        let now = at(20, 10, 0);
        let in_flight = world.batch(1, 2, 0, "accepted").await;
        let pending = world.batch(2, 2, 1, "paid").await;
        let unknown = world.batch(3, 2, 0, "paid").await;
        let retry = world.batch(4, 2, 0, "paid").await;
        world.line(&unknown, 3002, "unknown", "EN", "RESULT_UNKNOWN").await;
        world.line(&retry, 4002, "failed_final", "BT", "SYS_BUSY").await;
        assert_eq!(told(&world, now).await, 0);

        // Each of them gets its word.
        for id in [1001, 1002] {
            world.line(&in_flight, id, "failed_final", "CD", "NAME_MISMATCH").await;
        }
        world.line(&pending, 2002, "voided", "", "").await;
        world.run("update instruction_state set state = 'failed', returned_fen = 0 where instruction_id = 3002", args![]).await;
        assert_eq!(told(&world, now).await, 3);

        // The retry is planned: still not done; then paid: the payment counts once, by its last try.
        let mut tx = world.gateway.store.begin().await.unwrap();
        tx.insert_instructions(&retry, &[instruction(4500, 4002, Some(4002))]).await.unwrap();
        let block = tranche(&mut tx, &retry, "retry", (4500, 4500), Fen::new(100)).await;
        tx.exec("update instruction_state set state = 'reissued' where instruction_id = 4002", args![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(told(&world, now).await, 0);
        let mut tx = world.gateway.store.begin().await.unwrap();
        file(&mut tx, 45, block, &retry, (4500, 4500), "paid").await;
        tx.exec("update tranche set next_id = 4501 where id = $1", args![block]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(told(&world, now).await, 1);

        let results: Vec<Vec<Vec<String>>> =
            world.mails("completed_list").await.iter().map(|l| l.table(&["payee_name", "result", "reason"])).collect();
        let row = |id: i64, result: &str, reason: &str| vec![format!("测{id}"), result.to_owned(), reason.to_owned()];
        let (mismatch, doubt) = (Reason::NameMismatch.zh(), Reason::ResultUnknown.zh());
        assert_eq!(results[0], [row(1001, "发放失败", mismatch), row(1002, "发放失败", mismatch)]);
        assert_eq!(results[1], [row(2001, "发放成功", ""), row(2002, "已取消", "")]);
        assert_eq!(results[2], [row(3001, "发放成功", ""), row(3002, "发放失败", doubt)]);
        assert_eq!(results[3], [row(4001, "发放成功", ""), row(4002, "发放成功", "")]);
    }
}

#[tokio::test]
async fn past_its_last_retry_a_payment_holds_up_nothing_and_rejected_rows_stand_in_the_list() {
    for world in worlds().await {
        let batch = world.batch(1, 2, 0, "paid").await;
        world.line(&batch, 1002, "failed_final", "BT", "SYS_BUSY").await;
        // A row refused at the gate has a payment, and no instruction.
        world.run("insert into payment (id, batch, seq, payee_name, payee_id, account, bank, amount_fen) values (1900, 'B1', 3, '测1900', $1, '1', 'A', 100)", args![world::ID]).await;
        let day_before = day(19);
        world.cases(&[case("rejected", 1900, "D1", "", Reason::AcctNoInvalid, day_before)], at(19, 15, 0)).await;
        assert_eq!(told(&world, at(19, 16, 0)).await, 0);
        world.cases(&[case("failed", 1002, "D1", "A", Reason::SysBusy, day_before)], at(19, 17, 0)).await;
        assert_eq!(told(&world, at(19, 17, 1)).await, 1);
        let letter = world.mails("completed_list").await.remove(0);
        let rows: Vec<String> = letter.table(&["payee_name", "result", "bank"]).into_iter().map(|r| r.join(" ")).collect();
        assert_eq!(rows, ["测1001 发放成功 甲银行", "测1002 发放失败 甲银行", "测1900 发放前退回 甲银行"]);
        assert!(letter.subject.contains("成功1笔，未成功2笔"), "{}", letter.subject);
    }
}

#[tokio::test]
async fn what_no_mail_could_carry_is_split_or_shortened() {
    let world = sqlite().await;
    let (rows, failed) = (50_001, 20_001);
    let mut tx = world.gateway.store.begin().await.unwrap();
    insert_batch(&mut tx, "B0", 1, rows).await;
    let all: Vec<_> = (1..=rows).map(|id| instruction(id, id, None)).collect();
    for some in all.chunks(FEW) {
        tx.insert_instructions("B0", some).await.unwrap();
    }
    let block = tranche(&mut tx, "B0", "first", (1, rows), Fen::new(100 * rows)).await;
    file(&mut tx, 1, block, "B0", (1, failed), "failed_final").await;
    file(&mut tx, 2, block, "B0", (failed + 1, rows), "paid").await;
    tx.exec("update tranche set next_id = last_id + 1", args![]).await.unwrap();
    let case =
        |id| bankgate::store::admission::NewCase { batch: "B0".into(), ..case("failed", id, "D1", "A", Reason::AcctClosed, day(20)) };
    for some in (1..=failed).map(case).collect::<Vec<_>>().chunks(FEW) {
        tx.insert_cases(some, at(20, 15, 0)).await.unwrap();
    }
    tx.commit().await.unwrap();

    assert_eq!(told(&world, at(20, 18, 0)).await, 4);
    assert_eq!(told(&world, at(20, 18, 1)).await, 0);
    let reports = world.mails("failure_report").await;
    let mut people: Vec<String> = reports.iter().flat_map(|l| l.table(&["payee_name"])).flatten().collect();
    assert_eq!(reports.iter().map(|l| l.table(&["seq"]).len()).collect::<Vec<_>>(), [10_000, 10_000, 1]);
    people.sort();
    people.dedup();
    assert_eq!(people.len(), 20_001);
    let list = world.mails("completed_list").await.remove(0);
    assert!(list.subject.contains("共50001笔 50001.00元，成功30000笔，未成功20001笔"), "{}", list.subject);
    assert!(list.text.contains("v_payment") && list.text.contains("发放失败：20001 笔，20001.00 元"), "{}", list.text);
    assert!(list.text.contains("另有 1 笔未成功的支付附件未列出"), "{}", list.text);
    let expected: Vec<Vec<String>> = (1..=20_000).map(|id| vec![format!("测{id}"), "发放失败".to_owned()]).collect();
    assert_eq!(list.table(&["payee_name", "result"]), expected);
    list.assert_bodies_name_nobody();
}

async fn incident(world: &World, key: &str, kind: &str, bank: &str, what: &str, next_step: &str) {
    let mut tx = world.gateway.store.begin().await.unwrap();
    assert!(tx.incident(&NewIncident { key, kind, bank, what, next_step }, at(20, 9, 0)).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn each_incident_is_one_mail_and_a_bank_hears_of_its_own_file() {
    for world in worlds().await {
        let sql = "insert into file_in (id, bank, profile, profile_digest, kind, role, dir, name, exchange_key, sha256, bytes, archive, answer_set, state, problems, seen_at, updated_at) \
                   values ($1, $2, 'x', '', 'result', '', '20190320', $3, 'k', 's', 1, '', $1, 'quarantined', $4, $5, 0)";
        let problems = format!("总金额不符\n第17行：卡号{}，户名应为李四", card(1));
        for (id, bank) in [(7, "A"), (8, "B")] {
            world.run(sql, args![id, bank, format!("RES{id}.txt"), &problems, at(20, 8, 0)]).await;
        }
        let what = format!("结果文件有误：{} 身份证{}", card(1), world::ID);
        incident(&world, "quarantined:7", "quarantined", "A", &what, "核对后执行 `bankgate file retry 7`").await;
        incident(&world, "quarantined:8", "quarantined", "B", &what, "").await;
        incident(&world, "returned:B1", "batch_returned", "", "批次被退回", "部门更正").await;
        assert_eq!(told(&world, at(20, 10, 0)).await, 4);
        assert_eq!(told(&world, at(20, 10, 1)).await, 0);
        assert_eq!(world.count("select count(*) from incident where mail is null").await, 0);

        let alerts = world.mails("alert").await;
        assert!(alerts.iter().all(|l| l.recipients == "duty@finance.example"));
        assert_eq!(alerts.iter().map(|l| l.subject.contains("立即处理")).collect::<Vec<_>>(), [true, true, false]);
        assert!(alerts[0].text.contains("      bankgate file retry 7"), "{}", alerts[0].text);
        assert!(alerts[2].text.contains("returned:B1"), "{}", alerts[2].text);
        // Bank B has no contacts.
        let notices = world.mails("bank_notice").await;
        assert_eq!(notices.iter().map(|l| l.recipients.as_str()).collect::<Vec<_>>(), ["ops@bank-a.example"]);
        assert!(notices[0].text.contains("RES7.txt") && notices[0].text.contains("总金额不符"), "{}", notices[0].text);
        for letter in alerts.iter().chain(&notices) {
            letter.assert_bodies_name_nobody();
        }

        // A storm is one letter.
        for n in 0..21 {
            incident(&world, &format!("storm:{n}"), "held", "", &format!("第{n}号文件"), "看日志").await;
        }
        assert_eq!(told(&world, at(20, 11, 0)).await, 1);
        let storm = world.mails("alert").await.pop().unwrap();
        assert!((0..21).all(|n| storm.text.contains(&format!("第{n}号文件"))), "{}", storm.text);
        assert_eq!(told(&world, at(20, 11, 1)).await, 0);
        assert_eq!(world.count("select count(*) from incident where mail is null").await, 0);
    }
}

/// Puts a mail of a kind to these people of example.gov.cn into the outbox.
async fn enqueue(world: &World, name: &str, kind: &str, to: &[&str]) {
    let recipients: Vec<String> = to.iter().map(|who| format!("{who}@example.gov.cn")).collect();
    let draft = Draft {
        message_id: format!("<{name}@finance.example>"),
        date: at(20, 17, 30),
        zone: Tz::Asia__Shanghai,
        from: world.gateway.config.mail.from.clone(),
        to: recipients.clone(),
        reply_to: None,
        in_reply_to: None,
        subject: format!("报告{name}"),
        text: "共 2 笔。\n".to_owned(),
        html: "<p>共 2 笔。</p>".to_owned(),
        attachments: Vec::new(),
    };
    let eml = compose(draft.clone()).unwrap();
    let mail = NewMail { dedup_key: name, message_id: &draft.message_id, kind, recipients: &recipients, subject: &draft.subject, eml };
    let mut tx = world.gateway.store.begin().await.unwrap();
    tx.enqueue_mail(mail, at(20, 17, 30)).await.unwrap().unwrap();
    tx.commit().await.unwrap();
}

async fn delivered(world: &World, now: Timestamp) {
    deliver(&world.gateway, now).await.unwrap();
}

fn smtp(settings: SmtpSettings) -> Mailer {
    Mailer::Smtp(SmtpMailer::new(settings).unwrap())
}

/// `state attempts minutes-until-next` of each mail.
async fn outbox(world: &World, now: Timestamp) -> Vec<String> {
    let rows = world.rows("select state, attempts, next_at from outbox_mail order by id").await;
    let minutes = |r: &bankgate::store::sql::Row| (r.int(2).unwrap() - now.millis()) / 60_000;
    rows.iter().map(|r| format!("{} {} {}", r.text(0).unwrap(), r.int(1).unwrap(), minutes(r))).collect()
}

#[tokio::test]
async fn t9_a_relay_that_puts_off_or_bounces_does_not_hold_up_the_others() {
    let relay = Relay::start();
    for mut world in worlds().await {
        let memory = world.gateway.mailer.clone();
        let before = relay.taken().len();
        enqueue(&world, "later", "failure_report", &["busy"]).await;
        enqueue(&world, "gone", "failure_report", &["nobody"]).await;
        enqueue(&world, "alert", "alert", &["nobody"]).await;
        enqueue(&world, "part", "failure_report", &["mz", "nobody"]).await;
        enqueue(&world, "fine", "failure_report", &["mz"]).await;
        world.gateway.mailer = smtp(relay.settings());
        let now = at(20, 18, 0);
        delivered(&world, now).await;
        assert_eq!(outbox(&world, now).await, ["queued 1 1", "bounced 1 0", "bounced 1 0", "sent 1 0", "sent 1 0"]);
        assert_eq!(relay.taken().len(), before + 2);
        // The bounced alert makes no incident: its own alert would bounce again.
        let incidents = world.texts("select what from incident order by id").await;
        assert_eq!(incidents.len(), 2, "{incidents:?}");
        assert!(incidents[0].contains("报告gone") && incidents[1].contains("nobody@example.gov.cn"), "{incidents:?}");

        delivered(&world, now).await;
        assert_eq!(outbox(&world, now).await[0], "queued 1 1", "not before its time");
        // The pause doubles, also across a restart, and then it passes.
        delivered(&world, at(20, 18, 1)).await;
        world.restart().await;
        delivered(&world, at(20, 18, 2)).await;
        assert_eq!(outbox(&world, at(20, 18, 2)).await[0], "queued 2 1");
        delivered(&world, at(20, 18, 3)).await;
        assert_eq!(outbox(&world, at(20, 18, 3)).await[0], "queued 3 4");
        world.gateway.mailer = memory;
        delivered(&world, at(20, 18, 7)).await;
        delivered(&world, at(20, 19, 7)).await;
        assert_eq!(world.sent.lock().unwrap().iter().map(|s| s.message_id.as_str()).collect::<Vec<_>>(), ["<later@finance.example>"]);
        assert_eq!(world.count("select count(*) from event where subject = 'mail' and what = 'sent'").await, 3);
    }
}

#[tokio::test]
async fn t9_an_unclear_end_is_tried_again_with_the_same_bytes_and_at_last_a_person_looks() {
    let relay = Relay::start();
    for mut world in worlds().await {
        let memory = std::mem::replace(&mut world.gateway.mailer, smtp(relay.settings()));
        let before = relay.taken().len();
        enqueue(&world, "once", "failure_report", &["drop"]).await;
        enqueue(&world, "thrice", "failure_report", &["drop"]).await;
        delivered(&world, at(20, 18, 0)).await;
        assert_eq!(outbox(&world, at(20, 18, 0)).await, ["queued 1 30", "queued 1 30"]);
        delivered(&world, at(20, 18, 29)).await;
        assert_eq!(relay.taken().len(), before + 2, "not before the pause is over");

        // The first gets its word on the second try: the same Message-ID and bytes.
        let later = "update outbox_mail set next_at = next_at + 60000 where message_id like '<thrice%'";
        world.run(later, args![]).await;
        let by_smtp = std::mem::replace(&mut world.gateway.mailer, memory);
        delivered(&world, at(20, 18, 30)).await;
        let again = world.sent.lock().unwrap().remove(0);
        assert_eq!(again.message_id, "<once@finance.example>");
        assert_eq!(relay.taken()[before].eml.trim_ascii_end(), again.eml.trim_ascii_end());

        // The other never does.
        world.gateway.mailer = by_smtp;
        delivered(&world, at(20, 18, 31)).await;
        assert_eq!(world.count("select count(*) from incident").await, 0);
        delivered(&world, at(20, 19, 1)).await;
        assert_eq!(outbox(&world, at(20, 19, 1)).await[1], "doubt 3 0");
        delivered(&world, at(21, 19, 1)).await;
        assert_eq!(relay.taken().len(), before + 4);
        let incident = world.texts("select next_step from incident where kind = 'mail_doubt'").await;
        assert!(incident[0].contains("<thrice@finance.example>"), "{incident:?}");
    }
}

#[tokio::test]
async fn t9_a_crash_between_intent_and_outcome_is_seen_and_ends_in_one_mail() {
    for world in worlds().await {
        let now = at(20, 18, 0);
        enqueue(&world, "crashed", "failure_report", &["mz"]).await;
        let mut tx = world.gateway.store.begin().await.unwrap();
        let mail = tx.mails_due(now, 1).await.unwrap().remove(0);
        assert!(tx.mail_intent(&mail, now.plus_minutes(30)).await.unwrap());
        assert!(!tx.mail_intent(&mail, now.plus_minutes(30)).await.unwrap(), "another node had it already");
        tx.commit().await.unwrap();

        delivered(&world, at(20, 18, 29)).await;
        assert!(world.sent.lock().unwrap().is_empty(), "the node that has it may still be at it");
        delivered(&world, at(20, 18, 30)).await;
        delivered(&world, at(20, 19, 30)).await;
        assert_eq!(world.sent.lock().unwrap().len(), 1);
        assert_eq!(outbox(&world, at(20, 18, 30)).await, ["sent 2 0"]);
        assert_eq!(world.count("select count(*) from event where what = 'unclear'").await, 1);

        // A process that dies at every try ends with a person, not with a letter at every start.
        enqueue(&world, "dies", "failure_report", &["mz"]).await;
        let mut at_hour = at(20, 20, 0);
        for _ in 0..3 {
            let mut tx = world.gateway.store.begin().await.unwrap();
            for mail in tx.mails_due(at_hour, 1).await.unwrap() {
                assert!(tx.mail_intent(&mail, at_hour).await.unwrap());
                if mail.state == "sending" {
                    tx.event("mail", mail.id, ("unclear", "sending", "sending"), "daemon", "", at_hour).await.unwrap();
                }
            }
            tx.commit().await.unwrap();
            at_hour = at_hour.plus_minutes(1);
        }
        delivered(&world, at_hour).await;
        assert_eq!(outbox(&world, at_hour).await[1], "doubt 4 0");
        assert_eq!(world.sent.lock().unwrap().len(), 1);
        assert_eq!(world.count("select count(*) from incident where kind = 'mail_doubt'").await, 1);
    }
}

#[tokio::test]
async fn t9_a_relay_that_refuses_us_or_is_down_for_a_day_loses_and_doubles_nothing() {
    let relay = Relay::start();
    for mut world in worlds().await {
        let before = relay.taken().len();
        enqueue(&world, "first", "failure_report", &["mz"]).await;
        enqueue(&world, "second", "completed_list", &["cw"]).await;
        let wrong = SmtpSettings { password: Some(SecretString::from("wrong".to_owned())), ..relay.settings() };
        world.gateway.mailer = smtp(wrong);
        delivered(&world, at(20, 18, 0)).await;
        // The run stops: a second knock with a wrong password could lock the account.
        assert_eq!(outbox(&world, at(20, 18, 0)).await, ["queued 1 1", "queued 0 -30"]);
        delivered(&world, at(20, 18, 1)).await;
        delivered(&world, at(20, 18, 2)).await;
        assert_eq!(world.texts("select kind from incident where state = 'open'").await, ["mail_relay"]);

        // Down for a day: nobody listens on this port.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        world.gateway.mailer = smtp(SmtpSettings { port, ..relay.settings() });
        let mut now = at(20, 18, 10);
        while now < at(21, 18, 10) {
            delivered(&world, now).await;
            now = now.plus_minutes(10);
        }
        assert!(outbox(&world, now).await.iter().all(|mail| mail.starts_with("queued ")), "{:?}", outbox(&world, now).await);
        assert_eq!(world.count("select count(*) from incident where state = 'open'").await, 1);

        world.gateway.mailer = smtp(relay.settings());
        for minutes in [0, 60, 120] {
            delivered(&world, now.plus_minutes(minutes)).await;
        }
        let ids: Vec<_> = relay.taken().split_off(before).iter().map(|t| t.facts["to"].to_string()).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert!(outbox(&world, now).await.iter().all(|mail| mail.starts_with("sent ")));
        assert_eq!(world.texts("select state from incident").await, ["closed"]);
    }
}

#[tokio::test]
async fn a_directory_gets_each_report_as_a_file_once() {
    let mut world = sqlite().await;
    world.batch(1, 1, 0, "paid").await;
    world.gateway.mailer = Mailer::File(world.dir.path().join("mail"));
    assert_eq!(told(&world, at(20, 18, 0)).await, 1);
    delivered(&world, at(20, 18, 0)).await;
    // As if the outcome had been lost: the same file, no second one.
    world.run("update outbox_mail set state = 'sending'", args![]).await;
    delivered(&world, at(20, 18, 30)).await;
    assert_eq!(std::fs::read_dir(world.dir.path().join("mail")).unwrap().count(), 1);
    assert_eq!(world.texts("select state from outbox_mail").await, ["sent"]);
}
