//! Statements in the world's own forms reach the reconciliation by themselves; what only tells of movements proves nothing, counts
//! nothing twice, and must stand in the statement in the end.

use std::sync::Arc;

use bankgate::format::Profile;
use bankgate::passes::stage::stage;

use super::world::{CLEARING, World, at, draft, on_both};

const ACCOUNT: &str = "510601012345678901";
const PLACE: &str = "20190314/LS0001-20190314-0001";
const OPENING: i64 = 50_000_000;

async fn speaks(w: &mut World, change: &[(&str, &str)]) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/iso20022/profile.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in change {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let profile = Arc::new(Profile::read(&text, &file).unwrap_or_else(|e| panic!("{e}")));
    w.change(|g| drop(g.profiles.insert("iso20022".to_owned(), profile)));
    w.sql("update agreement set profile = 'iso20022' where number = 'A-B2'").await;
    // The other banks' agreements pay from accounts of their own, or their days would be open, too.
    w.sql("update agreement set payer_account = '9' || number where number <> 'A-B2'").await;
}

/// Two payments, credited. Gives their references and amounts.
async fn paid(w: &mut World) -> Vec<(String, i64)> {
    w.release(&draft("B", CLEARING, 0..2)).await;
    w.settle().await;
    let rows = w.rows("select id, amount_fen from instruction order by id").await;
    let refs: Vec<(String, i64)> =
        rows.iter().map(|r| (bankgate::domain::ids::EndToEndId(r.int(0).unwrap()).to_string(), r.int(1).unwrap())).collect();
    let said: String =
        refs.iter().map(|(r, _)| format!("<TxInfAndSts><OrgnlEndToEndId>{r}</OrgnlEndToEndId><TxSts>ACCC</TxSts></TxInfAndSts>")).collect();
    let text = format!(
        "<Document><CstmrPmtStsRpt><OrgnlGrpInfAndSts><OrgnlMsgId>LS0001-20190314-0001</OrgnlMsgId></OrgnlGrpInfAndSts>\
         <OrgnlPmtInfAndSts>{said}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    );
    w.put(CLEARING, &format!("{PLACE}.sts.xml"), text.as_bytes());
    w.settle().await;
    assert_eq!(w.states("B").await, ["paid", "paid"]);
    refs
}

fn yuan(fen: i64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

fn debit((reference, fen): &(String, i64)) -> String {
    format!(
        "<Ntry><Amt Ccy=\"CNY\">{}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2019-03-14</Dt></BookgDt><AcctSvcrRef>Z{reference}</AcctSvcrRef>\
         <NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>",
        yuan(*fen)
    )
}

fn sheet(account: &str, opening: i64, closing: i64, entries: &str) -> String {
    let balance = |code: &str, fen: i64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2019-03-14</Dt></Dt></Bal>",
            yuan(fen)
        )
    };
    format!(
        "<Stmt><Id>S-{account}</Id><Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>{}{}{entries}</Stmt>",
        balance("OPBD", opening),
        balance("CLBD", closing)
    )
}

fn camt(sheets: &str) -> String {
    format!("<ns:Document xmlns:ns=\"urn:x\"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>{sheets}</BkToCstmrStmt></ns:Document>")
}

fn notice(entries: &str) -> String {
    format!(
        "<Document><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N</MsgId></GrpHdr><Ntfctn><Id>N</Id><Acct><Id><Othr><Id>{ACCOUNT}</Id></Othr></Id><Ccy>CNY</Ccy></Acct>\
         {entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
}

async fn verdict(w: &World) -> String {
    let sql = "select verdict from reconcile_run where bank = 'B2' and on_date = '2019-03-14' order by id desc limit 1";
    w.texts(sql).await.pop().unwrap_or_default()
}

#[tokio::test]
async fn a_camt_statement_is_collected_and_reconciles_its_day() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let out: i64 = refs.iter().map(|r| r.1).sum();
        let entries: String = refs.iter().map(debit).collect();
        // Two sheets in one file: the second is of an account that nobody pays from.
        let text = camt(&(sheet(ACCOUNT, OPENING, OPENING - out, &entries) + &sheet("510600000000000009", 0, 0, "")));
        w.put(CLEARING, &format!("statement/camt053_{ACCOUNT}_20190314.xml"), text.as_bytes());
        w.settle_at("2019-03-15", "09:00:00").await;
        assert_eq!(verdict(w).await, "RECONCILED", "{:?}", w.texts("select problems from file_in").await);
        assert_eq!(w.int("select count(*) from statement where problems = ''").await, 1);
        assert_eq!(w.int("select count(*) from statement where problems like 'foreign%'").await, 1);
        assert_eq!(w.texts("select kind || ' ' || how from statement_match order by id").await, vec!["instruction reference"; 2]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_sheet_whose_keeping_breaks_off_is_kept_whole_when_it_is_tried_again() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let out: i64 = refs.iter().map(|r| r.1).sum();
        let entries: String = refs.iter().map(debit).collect();
        w.put(
            CLEARING,
            &format!("statement/camt053_{ACCOUNT}_20190314.xml"),
            camt(&sheet(ACCOUNT, OPENING, OPENING - out, &entries)).as_bytes(),
        );
        w.sql("create unique index only_one_debit on statement_line (side)").await;
        w.now = at("2019-03-15", "09:00:00");
        // Size and time must be seen twice.
        w.collect(CLEARING).await;
        w.now = w.now.plus_minutes(5);
        w.collect(CLEARING).await;
        stage(&w.gateway, w.now).await.expect_err("the second debit is refused");
        let tables = ["statement", "statement_line", "statement_match"];
        for table in tables {
            assert_eq!(w.int(&format!("select count(*) from {table}")).await, 0, "{table}");
        }
        assert_eq!(w.answers().await.last().map(String::as_str), Some("archived"));
        w.sql("drop index only_one_debit").await;
        w.settle().await;
        assert_eq!(w.answers().await.last().map(String::as_str), Some("applied"));
        assert_eq!(w.int("select count(*) from statement_line").await, 2);
        assert_eq!(verdict(w).await, "RECONCILED");
    })
    .await;
}

#[tokio::test]
async fn a_sheet_that_does_not_add_up_is_quarantined() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let text = camt(&sheet(ACCOUNT, OPENING, OPENING - 1, &debit(&refs[0])));
        w.put(CLEARING, &format!("statement/camt053_{ACCOUNT}_20190314.xml"), text.as_bytes());
        w.settle().await;
        assert_eq!(w.answers().await.last().map(String::as_str), Some("quarantined"));
        assert_eq!((w.int("select count(*) from statement").await, w.incidents("quarantined").await), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn notices_prove_no_day_and_count_nothing_twice() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let out: i64 = refs.iter().map(|r| r.1).sum();
        for (at, of) in refs.iter().enumerate() {
            let name = format!("statement/camt054_{ACCOUNT}_20190314{:04}.xml", at + 1);
            w.put(CLEARING, &name, notice(&debit(of)).as_bytes());
        }
        w.settle().await;
        assert_eq!((verdict(w).await.as_str(), w.int("select count(*) from statement_match").await), ("", 0), "told is not booked");
        assert_eq!(w.int("select count(*) from statement where problems like 'notice%'").await, 2);
        let entries: String = refs.iter().map(debit).collect();
        let text = camt(&sheet(ACCOUNT, OPENING, OPENING - out, &entries));
        w.put(CLEARING, &format!("statement/camt053_{ACCOUNT}_20190314.xml"), text.as_bytes());
        w.settle_at("2019-03-15", "09:00:00").await;
        assert_eq!((verdict(w).await.as_str(), w.int("select count(*) from statement_match").await), ("RECONCILED", 2));
        assert_eq!(w.incidents("statement").await, 0);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_notice_is_not_the_statement_that_is_waited_for() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let out: i64 = refs.iter().map(|r| r.1).sum();
        let entries: String = refs.iter().map(debit).collect();
        w.put(CLEARING, &format!("statement/camt054_{ACCOUNT}_201903140001.xml"), notice(&entries).as_bytes());
        w.settle().await;
        let told = "select from_date || ' ' || to_date from statement where problems like 'notice%'";
        assert_eq!(w.texts(told).await, ["2019-03-14 2019-03-14"]);
        let waits = "select on_date from expected_file where bank = 'B2' and kind = 'statement' and came_at is null order by on_date";
        assert_eq!(w.texts(waits).await, ["2019-03-14"]);
        w.settle_at("2019-03-15", "10:00:00").await;
        assert_eq!(
            (w.texts(waits).await, w.incidents("statement_overdue").await),
            (vec!["2019-03-14".to_owned(), "2019-03-15".to_owned()], 1)
        );
        let text = camt(&sheet(ACCOUNT, OPENING, OPENING - out, &entries));
        w.put(CLEARING, &format!("statement/camt053_{ACCOUNT}_20190314.xml"), text.as_bytes());
        w.settle().await;
        assert_eq!((w.texts(waits).await, w.incidents("statement_overdue").await), (vec!["2019-03-15".to_owned()], 0));
    })
    .await;
}

#[tokio::test]
async fn what_was_told_and_is_not_in_the_statement_is_asked_about() {
    on_both(async |w| {
        speaks(w, &[]).await;
        let refs = paid(w).await;
        let out: i64 = refs.iter().map(|r| r.1).sum();
        let entries: String = refs.iter().map(debit).collect();
        let text = camt(&sheet(ACCOUNT, OPENING, OPENING - out, &entries));
        w.put(CLEARING, &format!("statement/camt053_{ACCOUNT}_20190314.xml"), text.as_bytes());
        w.settle().await;
        // The first movement told of twice; the statement has it once.
        let twice = notice(&(debit(&refs[0]) + &debit(&refs[0])));
        w.put(CLEARING, &format!("statement/camt054_{ACCOUNT}_201903140001.xml"), twice.as_bytes());
        w.settle().await;
        assert_eq!(w.incidents("statement").await, 1);
        assert_eq!(w.int("select count(*) from statement_match").await, 2, "and nothing is booked by it");
    })
    .await;
}

#[tokio::test]
async fn pages_of_an_mt940_are_one_statement() {
    on_both(async |w| {
        let form = "key = \"{account}_{date:yyyyMMdd}\"\nform = ";
        speaks(w, &[("camt053_{account}_{date:yyyyMMdd}.xml", "mt940_{account}_{date:yyyyMMdd}.sta"), (&format!("{form}\"camt\""), &format!("{form}\"mt\""))]).await;
        let refs = paid(w).await;
        let comma = |fen: i64| format!("{},{:02}", fen / 100, fen % 100);
        let line = |(r, fen): &(String, i64)| format!(":61:1903140314D{}NTRF{r}//Z1\n", comma(*fen));
        let between = OPENING - refs[0].1;
        // Dollars stand before them and between, another account's lines behind: whose a line is goes by its statement.
        let dollars = |opening: u8| {
            format!(":20:U\n:25:9\n:60F:C190313USD{opening},\n:61:1903140314C9,NTRFX//Z9\n:62F:C190314USD{},\n-\n", opening + 9)
        };
        let (dollars, more) = (dollars(1), dollars(10));
        let other = ":20:B\n:25:8\n:60F:C190313CNY1,00\n:61:1903140314C2,00NTRFX//Z8\n:61:1903140314D0,50NTRFY//Z7\n:62F:C190314CNY2,50\n-\n";
        let text = format!(
            "{dollars}:20:A\n:25:{ACCOUNT}\n:28C:5/1\n:60F:C190313CNY{}\n{}:62M:C190314CNY{}\n-\n{more}:20:A\n:25:{ACCOUNT}\n:28C:5/2\n:60M:C190314CNY{}\n{}:62F:C190314CNY{}\n-\n{other}",
            comma(OPENING),
            line(&refs[0]),
            comma(between),
            comma(between),
            line(&refs[1]),
            comma(between - refs[1].1)
        );
        w.put(CLEARING, &format!("statement/mt940_{ACCOUNT}_20190314.sta"), text.as_bytes());
        w.settle_at("2019-03-15", "09:00:00").await;
        assert_eq!(w.texts("select problems from file_in").await.pop().as_deref(), Some(""));
        assert_eq!(w.int("select count(*) from statement where problems = '' and entries = 2").await, 1);
        let kept = "select s.account || ' ' || l.line || ' ' || l.side || ' ' || l.amount_fen from statement s join statement_line l on l.statement = s.id \
                    order by s.id, l.line";
        let ours = [format!("{ACCOUNT} 1 debit {}", refs[0].1), format!("{ACCOUNT} 2 debit {}", refs[1].1)];
        assert_eq!(w.texts(kept).await, [&ours[0], &ours[1], "8 1 credit 200", "8 2 debit 50"]);
        assert_eq!(verdict(w).await, "RECONCILED");
    })
    .await;
}
