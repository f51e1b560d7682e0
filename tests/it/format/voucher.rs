//! A voucher of the treasury's platform: one document both ways, in which the bank fills in what begins with X.

use std::process::Command;

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::reason::Reason;
use bankgate::format::{Dialect, Profile};
use encoding_rs::GBK;

use super::{Read, facts, folder, people, render, sample};

const ID: &str = "treasury-voucher-8207";
const STEM: &str = "20190314/8207_201903140001";

fn profile() -> Profile {
    Profile::load(&folder(ID)).unwrap_or_else(|e| panic!("{e}"))
}

fn golden() -> String {
    GBK.decode_without_bom_handling(&sample(ID, &format!("result/{STEM}_R.xml"))).0.into_owned()
}

fn receipt(text: &str) -> Read {
    let mut bytes = Vec::new();
    Dialect::Gbk.encode(text, &mut bytes).unwrap();
    super::read(&profile(), InboundKind::Result, "receipt", &bytes)
}

#[test]
fn a_day_of_payment_pays_words_say_why_not_and_neither_says_nothing() {
    let read = receipt(&golden());
    assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]));
    let said: Vec<_> = read.answers.iter().map(|a| (a.outcome, a.is_final, a.reason)).collect();
    assert_eq!(said[..2], [(Outcome::Paid, true, None), (Outcome::Failed, true, Some(Reason::NameMismatch))]);
    let part = &read.answers[2];
    assert_eq!((part.outcome, part.paid.unwrap().get(), part.amount.unwrap().get()), (Outcome::Paid, 99_000, 100_000), "a part");
    assert_eq!((part.bank_ref.as_deref(), part.date.unwrap().to_string().as_str()), (Some("HB0003"), "2019-03-15"));
    assert_eq!((said[3].0, said[3].1), (Outcome::Unknown, false), "nothing filled in is no payment");
    assert_eq!((said[4].0, said[4].1), (Outcome::Unknown, false), "unsure is never a failure");
    // Paid, and words why not: a contradiction, which nobody may take for either.
    let both = golden().replacen("<XAddWord/></Detail>", "<XAddWord>账户已销户</XAddWord></Detail>", 1);
    assert_eq!((receipt(&both).answers[0].outcome, receipt(&both).answers[0].is_final), (Outcome::Unknown, false));
}

#[test]
fn what_was_ours_comes_back_as_it_went() {
    let (profile, facts) = (profile(), facts(&people()));
    assert!(profile.differing_echoes(&facts, &receipt(&golden()).summary).is_empty());
    for (from, to, column) in [
        ("AdmDivCode=\"511100000\"", "AdmDivCode=\"511100001\"", "行政区划"),
        ("VtCode=\"8207\"", "VtCode=\"8208\"", "凭证类型"),
        ("<OriginalVoucherNo>B20190314001<", "<OriginalVoucherNo>B20190314002<", "原凭证号"),
        ("<PaySndBnkNo>102665000015<", "<PaySndBnkNo>102665000016<", "发起行行号"),
        ("<PayAcctName>乐山市农业农村局<", "<PayAcctName>乐山市财政局<", "付款户名"),
    ] {
        assert!(golden().contains(from), "{from}");
        let differing = profile.differing_echoes(&facts, &receipt(&golden().replacen(from, to, 1)).summary);
        assert!(differing.iter().any(|what| what.contains(column)), "{to}: {differing:?}");
    }
    for (from, to) in [("<VoucherFlag>1<", "<VoucherFlag>0<"), ("<PayType>12<", "<PayType>11<"), ("<XSumAmt>1113.45<", "<XSumAmt>1123.45<")]
    {
        assert!(golden().contains(from), "{from}");
        assert!(!receipt(&golden().replacen(from, to, 1)).summary.problems.is_empty(), "{to}");
    }
}

#[test]
fn what_was_ours_in_a_detail_comes_back_to_the_letter() {
    let (profile, people) = (profile(), people());
    let facts = facts(&people);
    let altered = |text: &str| {
        let read = receipt(text);
        assert_eq!((&read.faults, read.answers.len()), (&vec![], people.len()));
        let heads = profile.differing_echoes(&facts, &read.summary);
        let rows = read.answers.iter().zip(&people).map(|(answer, line)| profile.differing_repeats(&facts, line, &answer.repeats));
        (heads, rows.collect::<Vec<_>>())
    };
    assert_eq!(altered(&golden()), (vec![], vec![Vec::<String>::new(); 5]));
    let second = |from: &str, to: &str| {
        let (head, tail) = golden().split_once("</Detail>").map(|(h, t)| (h.to_owned(), t.to_owned())).unwrap();
        assert!(tail.contains(from), "{from}");
        format!("{head}</Detail>{}", tail.replacen(from, to, 1))
    };
    for (from, to, column) in [
        ("<PayeeAcctBankName>", "<PayeeAcctBankName>9", "收款人开户行"),
        ("<Remark>", "<Remark>补", "备注"),
        // Where it should stand, nothing stands.
        ("<Remark>耕地补贴</Remark>", "", "备注"),
    ] {
        let (heads, rows) = altered(&second(from, to));
        assert!(heads.is_empty(), "{heads:?}");
        let expected: Vec<Vec<String>> = (0..5).map(|at| if at == 1 { vec![column.to_owned()] } else { vec![] }).collect();
        assert_eq!(rows, expected, "{to}");
    }
    let (heads, _) = altered(&second("<OriVoucherNo>B20190314001<", "<OriVoucherNo>B20190314009<"));
    assert!(heads.len() == 1 && heads[0].contains("原凭证号"), "{heads:?}");
}

#[test]
fn a_larger_batch_becomes_several_vouchers_that_share_their_original() {
    let dir = tempfile::tempdir().unwrap();
    let (list, out) = (dir.path().join("list.csv"), dir.path().join("out"));
    let rows: String = (1..=500).map(|n| format!("BG{n:016},王五,62170000{n:011},102665000015,1.00,耕地补贴\n")).collect();
    std::fs::write(&list, format!("ref,payee_name,account,bank_code,amount_yuan,project\n{rows}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bankgate"));
    command.args(["format", "render", "--profile"]).arg(folder(ID)).arg(&list).arg("--out").arg(&out);
    for fact in ["date=2019-03-14", "batch_no=B1", "payer_account=5106", "payer_name=局", "payer_bank=102665000015"] {
        command.args(["--set", fact]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts: Vec<(usize, bool)> = (1..=2)
        .map(|n| {
            let text = std::fs::read(out.join(format!("20190314/8207_20190314{n:04}.xml"))).unwrap();
            let text = GBK.decode_without_bom_handling(&text).0.into_owned();
            (
                text.matches("<Detail>").count(),
                text.contains("<OriginalVoucherNo>B1<") && text.contains(&format!("VoucherNo=\"8207_20190314{n:04}\"")),
            )
        })
        .collect();
    assert_eq!(counts, [(499, true), (1, true)]);
    let mut lines = people();
    lines.truncate(1);
    let (bytes, _) = render(&profile(), &facts(&lines), &lines).unwrap();
    assert!(bytes.starts_with(b"<?xml version=\"1.0\" encoding=\"GBK\"?>"));
}

#[test]
fn a_notice_that_is_unsure_is_no_word_on_a_refund() {
    let profile = Profile::load(&folder("treasury-refund-2302")).unwrap_or_else(|e| panic!("{e}"));
    let said = |name: &str| {
        let bytes = sample("treasury-refund-2302", &format!("{name}/2203_201903200001.xml"));
        let read = super::read(&profile, InboundKind::Result, "notice", &bytes);
        assert_eq!((&read.faults, &read.summary.problems), (&vec![], &vec![]), "{name}");
        (read.answers[0].outcome, read.answers[0].is_final)
    };
    assert_eq!(said("result"), (Outcome::Paid, true));
    assert_eq!(said("result-refused"), (Outcome::Failed, true));
    assert_eq!(said("result-unsure"), (Outcome::Unknown, false));
    let other = GBK
        .decode_without_bom_handling(&sample("treasury-refund-2302", "result/2203_201903200001.xml"))
        .0
        .replace("<RefundType>1<", "<RefundType>3<");
    let mut bytes = Vec::new();
    Dialect::Gbk.encode(&other, &mut bytes).unwrap();
    let read = super::read(&profile, InboundKind::Result, "notice", &bytes);
    assert_eq!((read.answers[0].outcome, read.answers[0].is_final), (Outcome::Unknown, false), "a code that nobody knows");
}
