//! A name with a character that the bank cannot take goes out as was agreed; what comes back by that name is ours.

use std::path::Path;
use std::sync::Arc;

use bankgate::domain::masked::Name;
use bankgate::format::Profile;

use super::bank::LOST;
use super::papers::{COUNTER, Word, gbk, result, ungbk};
use super::world::{Draft, World, draft, on_both};

const RULE: &str = "[[substitute]]\nfrom = \"U+4DAE\"\nto = \"YAN\"\nagreed_in = \"代发协议补充条款三\"\napproved_by = [\"张敏\", \"李强\"]\n\
                    approved_on = \"2019-03-01\"\n";

/// The bank's answers are known by account, name and amount, and a rule is agreed.
fn agrees(w: &mut World) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/pipe-gbk-summary/profile.toml");
    let by_name = std::fs::read_to_string(&file).unwrap().replace("[\"seq\", \"account_amount\"]", "[\"account_name_amount\"]");
    let profile = Arc::new(Profile::read(&format!("{by_name}\n{RULE}"), &file).unwrap());
    w.change(|g| drop(g.profiles.insert("pipe-gbk-summary".to_owned(), profile)));
}

/// Three people, one of whose names no plain GBK holds.
fn rare(number: &str) -> Draft {
    let mut draft = draft(number, COUNTER, 0..3);
    let row = &mut draft.rows[1];
    row.payee_name = Name::new("王\u{4DAE}");
    row.entitled_name = row.payee_name.clone();
    draft.seal();
    draft
}

#[tokio::test]
async fn a_name_goes_out_as_agreed_and_its_answer_counts() {
    on_both(async |w| {
        w.release(&rare("B")).await;
        w.settle().await;
        let refused = w.refusals().await;
        assert!(matches!(&refused[..], [one] if one.starts_with("NAME_CHAR_UNSUPPORTED")), "without a rule: {refused:?}");
    })
    .await;
    on_both(async |w| {
        agrees(w);
        w.release(&rare("B")).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        assert_eq!(slip.orders[1].name, "王YAN");
        let logged = w.texts("select subject || ' ' || detail from audit where act = 'substitute_names'").await;
        assert!(
            matches!(&logged[..], [one] if one.starts_with("file ") && one.contains("U+4DAE") && one.contains("1 lines (2)")),
            "{logged:?}"
        );
        w.answer(&slip, &[Word::Paid, Word::Paid, LOST]);
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "paid", "failed_final"]);
        assert_eq!(w.texts("select payee_name from instruction where id = 2").await, ["王\u{4DAE}"], "as it was approved");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_neither_ours_nor_as_agreed_is_in_doubt() {
    on_both(async |w| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/pipe-gbk-summary/profile.toml");
        let profile = Profile::read(&format!("{}\n{RULE}", std::fs::read_to_string(&file).unwrap()), &file).unwrap();
        w.change(|g| drop(g.profiles.insert("pipe-gbk-summary".to_owned(), Arc::new(profile))));
        w.release(&rare("B")).await;
        w.settle().await;
        let slip = w.take_one(COUNTER);
        for (path, bytes) in result(&slip, &[Word::Paid, Word::Paid, Word::Paid]) {
            w.put(COUNTER, &path, &gbk(&ungbk(&bytes).replace("王YAN", "王YEN")));
        }
        w.settle().await;
        assert_eq!(w.states("B").await, ["paid", "conflict", "paid"]);
    })
    .await;
}
