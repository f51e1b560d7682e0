//! Refund orders as a bank and a clerk meet them: the profile's bytes both ways, and the voucher on paper.

use std::path::Path;

use bankgate::domain::exchange::{BatchFacts, InboundKind, Outcome, PaymentLine};
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::language::Language;
use bankgate::domain::ledger::Purse;
use bankgate::domain::masked::{Account, Name};
use bankgate::domain::money::Fen;
use bankgate::domain::refund::{FundsModel, OrderState, ProofKind, Why};
use bankgate::domain::time::Timestamp;
use bankgate::format::{Parsed, Profile};
use bankgate::passes::papers::voucher::voucher;
use bankgate::store::refund::{Order, OrderLine, OrderNames};

fn profile() -> Profile {
    Profile::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/refund-pipe-gbk")).unwrap()
}

fn sample(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/refund-pipe-gbk/samples").join(path)).unwrap()
}

#[test]
fn an_order_is_written_to_the_byte() {
    let facts = BatchFacts {
        batch_no: "TK-2019-0001".to_owned(),
        date: "2019-03-20".parse().unwrap(),
        seq_no: 1,
        unit_no: "LS0001".to_owned(),
        payer_account: Account::new("510601012345678901"),
        payer_name: "乐山市农业农村局".to_owned(),
        count: 1,
        total: Fen::new(23_456),
        ..BatchFacts::default()
    };
    let line = PaymentLine {
        reference: EndToEndId(1001).to_string(),
        seq: 1,
        payee_name: Name::new("国家金库乐山市中心支库"),
        account: Account::new("270100000000000013"),
        bank_code: "011665000016".to_owned(),
        amount: Fen::new(23_456),
        project_short: "耕地补贴".to_owned(),
        remark: "TK-2019-0001 2130122 川财农-2019-17".to_owned(),
        ..PaymentLine::default()
    };
    let profile = profile();
    let names = profile.instruction_names(&facts).unwrap();
    assert_eq!((names.data.as_str(), names.key.as_str()), ("TK_201903200001.TXT", "TK201903200001"));
    let mut renderer = profile.renderer(&facts, Vec::new()).unwrap();
    renderer.line(&line).unwrap();
    assert_eq!(renderer.finish().unwrap().0, sample("request/TK_201903200001.TXT"));
}

#[test]
fn what_the_bank_says_of_an_order_is_read() {
    let profile = profile();
    let said = |kind, role: &str, bytes: &[u8]| {
        let mut answers = Vec::new();
        profile
            .parse(kind, role, &mut &*bytes, &mut |parsed| match parsed {
                Parsed::Answer(a) => answers.push(a),
                other @ (Parsed::Entry(_) | Parsed::Fault(_)) => panic!("{other:?}"),
            })
            .unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    };
    let ack = said(InboundKind::Ack, "ack", &sample("ack/TK_201903200001_A.TXT"));
    assert_eq!((ack.outcome, ack.is_final), (Outcome::Accepted, true));
    let ack = said(InboundKind::Ack, "ack", &sample("ack-refused/TK_201903200001_A.TXT"));
    assert_eq!((ack.outcome, ack.is_final), (Outcome::Failed, true));
    let done = said(InboundKind::Result, "data", &sample("result/TK_201903200001_R.TXT"));
    assert_eq!((done.outcome, done.amount, done.reference), (Outcome::Paid, Some(Fen::new(23_456)), Some(EndToEndId(1001).to_string())));
    let refused = said(InboundKind::Result, "data", &sample("result-refused/TK_201903200001_R.TXT"));
    assert_eq!((refused.outcome, refused.is_final, refused.raw_text.as_str()), (Outcome::Failed, true, "国库户名不符"));
    for text in ["1001|1|234.56|凭证重复\n", "9999|1|234.56|批次重复\n", "9999|1|234.56|处理中\n"] {
        let mut bytes = Vec::with_capacity(100);
        let _ = encoding_rs::GBK.new_encoder().encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
        let ack = said(InboundKind::Ack, "ack", &bytes);
        assert_eq!((ack.outcome, ack.is_final), (Outcome::Unknown, false), "{text}");
    }
}

#[test]
fn the_voucher_says_all_that_is_signed_and_masks_people() {
    let order = Order {
        id: 1001,
        number: "TK-2019-0001".to_owned(),
        purse: Purse { department: "D1".to_owned(), project: "1".to_owned(), year: 2019, bank: "B4".to_owned() },
        agreement: "A-B4".to_owned(),
        budget_line: "2130122".to_owned(),
        voucher: "川财农-2019-17".to_owned(),
        why: Why::Ineligible,
        funds: FundsModel::Quota,
        proof: ProofKind::Receipt,
        lines: 2,
        amount: Fen::new(23_456),
        state: OrderState::Approved,
        proposal: Some(1),
        proposed_by: "qian".to_owned(),
        approved_by: "sun".to_owned(),
        file_out: None,
        receipt: String::new(),
        reason: String::new(),
        created_at: Timestamp::from_millis(0),
        sent_at: None,
        refunded_at: None,
    };
    let names = OrderNames {
        department: "农业农村局".to_owned(),
        project: "耕地地力保护补贴".to_owned(),
        payer: "乐山市农业农村局".to_owned(),
        payer_account: "510601012345678901".to_owned(),
        bank: "银行B4".to_owned(),
        treasury: "国家金库乐山市中心支库".to_owned(),
        treasury_account: "270100000000000013".to_owned(),
        treasury_bank: "011665000016".to_owned(),
    };
    let line = |line, payee: &str, fen| OrderLine {
        line,
        instruction: 10 + line,
        is_rest: line == 2,
        amount: Fen::new(fen),
        batch: "B20190314001".to_owned(),
        seq: line,
        payee: Name::new(payee),
        reason: "DECEASED".to_owned(),
    };
    let lines = [line(1, "阿牛·木呷", 12_345), line(2, "欧阳億", 11_111)];
    let paper = voucher(Language::Zh, &order, &names, &lines).unwrap();
    insta::assert_snapshot!("voucher", paper.text);
    for (what, text) in [("html", &paper.html), ("text", &paper.text)] {
        for word in ["TK-2019-0001", "贰佰叁拾肆元伍角陆分", "川财农-2019-17", "270100000000000013", "单位公章", "阿**"] {
            assert!(text.contains(word), "{what}: {word}");
        }
        assert!(!text.contains("木呷") && !text.contains("欧阳億"), "{what}");
    }
}
