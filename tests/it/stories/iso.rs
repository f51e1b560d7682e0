//! A bank that speaks ISO 20022: pain.001 out, pain.002 in, file by file and payment by payment.

use std::sync::Arc;

use bankgate::format::Profile;
use regex::Regex;

use super::world::{CLEARING, World, draft, on_both};

const PLACE: &str = "20190314/LS0001-20190314-0001";

/// From here on the clearing bank speaks it.
async fn speaks_iso(w: &mut World) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/iso20022");
    let profile = Arc::new(Profile::load(&dir).unwrap());
    w.change(|g| drop(g.profiles.insert("iso20022".to_owned(), profile)));
    w.sql("update agreement set profile = 'iso20022' where number = 'A-B2'").await;
}

/// The references in the file that lies in the bank's inbox, in their order.
fn references(w: &World) -> Vec<String> {
    let text = std::fs::read_to_string(w.mailbox(CLEARING).join(format!("inbox/{PLACE}.xml"))).unwrap();
    let pattern = Regex::new("<EndToEndId>(.*?)</EndToEndId>").unwrap();
    pattern.captures_iter(&text).map(|c| c[1].to_owned()).collect()
}

fn status(group: &str, transactions: &[(&str, &str, &str)]) -> String {
    let rows: String = transactions
        .iter()
        .map(|(reference, status, code)| {
            let reason = if code.is_empty() { String::new() } else { format!("<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>") };
            format!("<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>{reason}</TxInfAndSts>")
        })
        .collect();
    let rows =
        if rows.is_empty() { rows } else { format!("<OrgnlPmtInfAndSts><OrgnlPmtInfId>x</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>") };
    format!(
        "<Document><CstmrPmtStsRpt><OrgnlGrpInfAndSts><OrgnlMsgId>LS0001-20190314-0001</OrgnlMsgId><GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>{rows}</CstmrPmtStsRpt></Document>"
    )
}

#[tokio::test]
async fn statuses_come_one_by_one_and_what_is_left_out_is_open() {
    on_both(async |w| {
        speaks_iso(w).await;
        w.release(&draft("B", CLEARING, 0..4)).await;
        w.settle().await;
        let refs = references(w);
        assert_eq!(refs.len(), 4);
        w.put(CLEARING, &format!("{PLACE}.ack.xml"), status("ACTC", &[]).as_bytes());
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["accepted"; 4]);
        let rows = [(refs[0].as_str(), "ACCC", ""), (&refs[1], "RJCT", "AC04"), (&refs[2], "ACSC", "")];
        w.put(CLEARING, &format!("{PLACE}.sts.xml"), status("PART", &rows).as_bytes());
        w.settle().await;
        let states = w.states("B").await;
        assert_eq!((states[0].as_str(), states[1].as_str()), ("paid", "failed_final"));
        assert!(["accepted", "unknown"].contains(&states[2].as_str()), "settled on the debtor's side is not with the person: {states:?}");
        assert_eq!(states[3], "accepted", "left out is neither accepted anew nor paid");
        w.put(CLEARING, &format!("{PLACE}.sts.xml"), status("ACSP", &[(&refs[2], "ACCC", ""), (&refs[3], "ACCC", "")]).as_bytes());
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "failed_final", "paid", "paid"]);
        assert_eq!(w.files().await, ["answered"]);
    })
    .await;
}

#[tokio::test]
async fn a_refused_group_refuses_the_file_and_a_contradiction_moves_nothing() {
    on_both(async |w| {
        speaks_iso(w).await;
        w.release(&draft("B", CLEARING, 0..2)).await;
        w.settle().await;
        let refs = references(w);
        w.put(CLEARING, &format!("{PLACE}.sts.xml"), status("RJCT", &[(&refs[0], "ACCC", "")]).as_bytes());
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B").await), (vec!["quarantined".to_owned()], vec!["sent".to_owned(); 2]));
        w.put(CLEARING, &format!("{PLACE}.sts.xml"), status("RJCT", &[]).as_bytes());
        w.settle().await;
        assert_eq!(w.answers().await.last().map(String::as_str), Some("applied"));
        assert_eq!((w.states("B").await, w.files().await), (vec!["failed_final".to_owned(); 2], vec!["refused".to_owned()]));
    })
    .await;
}
