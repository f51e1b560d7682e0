//! The switch-over: what the channel before paid is refused here from the first day, whichever page or moment it comes in; what
//! lay in the accounts is opened by two persons, once. On both engines.

use std::path::PathBuf;

use bankgate::domain::money::Fen;
use bankgate::passes::Gateway;
use bankgate::passes::admit;
use bankgate::passes::operate::OperateError;
use bankgate::passes::operate::propose::approve;
use bankgate::passes::operate::switch::{PaidImport, import_paid, propose_openings};
use bankgate::store::desk::Operator;

use crate::stories::world::{COUNTER, SPLIT, World, draft, id_number, on_both};

const HEAD: &str = "项目代码,所属期,享受人姓名,享受人身份证号,卡号,金额(元),发放日期\n";

fn person(login: &str, role: &str) -> Operator {
    Operator { login: login.into(), name: format!("{login}某"), role: role.into(), department: String::new() }
}

struct Table {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

fn table(text: &str) -> Table {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.csv");
    std::fs::write(&path, text).unwrap();
    Table { path, _dir: dir }
}

/// These people were paid for March by the channel before.
fn paid(people: &[usize]) -> Table {
    let rows: String = people.iter().map(|who| format!("1,2019-03,某人,{},,100.00,2019-03-08\n", id_number(*who).to_lowercase())).collect();
    table(&format!("{HEAD}{rows}"))
}

async fn bring(gateway: &Gateway, table: &Table, is_dry: bool, w: &World) -> Result<PaidImport, OperateError> {
    import_paid(gateway, &person("qian", "finance"), ("旧系统", is_dry), &table.path, w.now).await
}

/// These people were paid for March by the channel before, and we are told.
pub async fn paid_before(w: &World, people: &[usize]) {
    bring(&w.gateway, &paid(people), false, w).await.unwrap();
}

#[tokio::test]
async fn what_the_channel_before_paid_is_refused_from_the_first_day() {
    on_both(async |w| {
        let before = paid(&[1, 3, 7]);
        let dry = bring(&w.gateway, &before, true, w).await.unwrap();
        assert_eq!((dry.count, dry.total.get(), w.int("select count(*) from legacy_payment").await), (3, 30_000, 0));
        assert_eq!(w.int("select count(*) from audit where act = 'switch.payments'").await, 0);
        assert_eq!(bring(&w.gateway, &before, false, w).await.unwrap(), dry);
        // Again: nothing more, and it is said.
        assert!(matches!(bring(&w.gateway, &before, false, w).await, Err(OperateError::Refused(_))));
        assert_eq!(w.int("select count(*) from legacy_payment").await, 3);

        w.release(&draft("B", SPLIT, 0..5)).await;
        let mut april = draft("C", COUNTER, [1, 3]);
        april.period = "2019-04".to_owned();
        w.release(&april).await;
        w.settle().await;
        assert_eq!(w.states("B").await, ["sent", "rejected", "sent", "rejected", "sent"]);
        assert_eq!(w.states("C").await, ["sent", "sent"]);
        assert_eq!(
            w.refusals().await,
            ["DUP_BENEFIT: 已由原渠道于2019-03-08发放（旧系统第2行）", "DUP_BENEFIT: 已由原渠道于2019-03-08发放（旧系统第3行）"]
        );
        assert_eq!(w.incidents("paid_both_ways").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_row_in_any_page_is_seen_and_the_numbers_have_no_gap() {
    on_both(async |w| {
        // More rows than the gate reads at a time, the paid ones on both sides of the page's edge.
        let mut d = draft("B", SPLIT, 0..5100);
        for (at, row) in d.rows.iter_mut().enumerate() {
            let id = bankgate::domain::masked::IdNumber::new(wide_id(at));
            (row.entitled_id, row.payee_id, row.amount) = (id.clone(), id, Fen::new(1_000));
        }
        d.seal();
        let rows: String = [4999, 5000, 5099].iter().map(|at| format!("1,2019-03,某人,{},,1.00,2019-03-08\n", wide_id(*at))).collect();
        bring(&w.gateway, &table(&format!("{HEAD}{rows}")), false, w).await.unwrap();
        w.release(&d).await;
        w.admit().await;
        assert_eq!(w.int("select admitted_count from admission").await, 5097);
        assert_eq!(w.texts("select detail from failure_case order by id").await.len(), 3);
    })
    .await;
}

fn wide_id(who: usize) -> String {
    let body = format!("5111{:02}19700101{:03}", 10 + who / 1000, who % 1000);
    format!("{body}{}", bankgate::domain::ids::id_check_character(&body))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_and_a_batch_at_the_same_moment_do_not_pass_each_other_unseen() {
    for round in 0..3 {
        on_both(async |w| {
            w.release(&draft("B", SPLIT, 0..40)).await;
            let before = paid(&[5, 6]);
            let (gateway, now) = (w.gateway.clone(), w.now);
            let gate = tokio::spawn(async move { admit::admit(&gateway, now).await });
            if round > 0 {
                tokio::task::yield_now().await;
            }
            let brought = bring(&w.gateway, &before, false, w).await.unwrap();
            gate.await.unwrap().unwrap();
            w.settle().await;
            // Either the gate saw them, or whoever brought them was told; never neither, and never both.
            let refused = w.int("select count(*) from failure_case where reason = 'DUP_BENEFIT'").await;
            assert_eq!(refused + brought.live, 2, "refused {refused}, told of {}", brought.live);
            assert_eq!(w.incidents("paid_both_ways").await, i64::from(brought.live > 0));
        })
        .await;
    }
}

#[tokio::test]
async fn a_table_with_a_fault_leaves_nothing_behind() {
    on_both(async |w| {
        let wrong = table(&format!("{HEAD}1,2019-03,甲,{},,1.00,2019-03-08\n9,2019-03,乙,123,,0,8.3.2019\n", id_number(1)));
        let Err(OperateError::Faults { faults, .. }) = bring(&w.gateway, &wrong, false, w).await else { panic!("it was taken") };
        let places: Vec<_> = faults.iter().map(|f| (f.line, f.column.as_str())).collect();
        assert_eq!(places, [(3, "享受人身份证号"), (3, "金额(元)"), (3, "发放日期")]);
        let strange = table(&format!("{HEAD}9,2019-03,甲,{},,1.00,2019-03-08\n", id_number(1)));
        let Err(OperateError::Faults { faults, .. }) = bring(&w.gateway, &strange, false, w).await else { panic!("it was taken") };
        assert_eq!((faults[0].line, faults[0].column.as_str()), (2, "项目代码"));
        assert_eq!(w.int("select count(*) from legacy_payment").await, 0);
        let clerk = person("clerk", "department");
        assert!(import_paid(&w.gateway, &clerk, ("旧系统", false), &paid(&[1]).path, w.now).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn opening_balances_take_two_persons_and_are_booked_once() {
    on_both(async |w| {
        let head = "部门代码,项目代码,年度,科目,金额(元),截止日期,备注\n";
        let rows = "D1,1,2019,zero_balance,500.00,2019-02-28,额度|结余\nD1,1,2019,suspense:ineligible,12.34,2019-02-28,\n";
        let opening = table(&format!("{head}{rows}"));
        let (qian, sun) = (person("qian", "finance"), person("sun", "finance"));
        let (id, effect) = propose_openings(&w.gateway, &qian, "旧系统", &opening.path, w.now).await.unwrap();
        assert!(effect.contains("2 | D1 | 1 | 2019 | zero_balance | 500.00 | 2019-02-28 | 额度/结余"), "{effect}");
        assert!(propose_openings(&w.gateway, &sun, "旧系统", &opening.path, w.now).await.is_err(), "it is proposed already");
        assert!(approve(&w.gateway, &qian, id, w.now).await.is_err(), "the same person");
        assert_eq!(w.int("select count(*) from opening_balance").await, 0);
        approve(&w.gateway, &sun, id, w.now).await.unwrap();
        assert!(approve(&w.gateway, &sun, id, w.now).await.is_err(), "it is done");
        assert!(propose_openings(&w.gateway, &qian, "旧系统", &opening.path, w.now).await.is_err(), "it was brought");
        assert_eq!((w.balance("zero_balance").await, w.balance("suspense:ineligible").await), (50_000, 1_234));
        let books = w.gateway.store.read().await.unwrap().books().await.unwrap();
        assert!(books.unequal().is_empty(), "{:?}", books.unequal());
        assert_eq!(w.int("select count(*) from entry where kind = 'open' and opening is not null").await, 2);

        let wrong = table(&format!("{head}D9,1,2019,paid,1.00,2019-02-28,\n"));
        let Err(OperateError::Faults { faults, .. }) = propose_openings(&w.gateway, &qian, "另一个", &wrong.path, w.now).await else {
            panic!("it was taken")
        };
        assert_eq!((faults[0].line, faults[0].column.as_str()), (2, "科目"));
    })
    .await;
}
