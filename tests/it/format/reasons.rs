//! Reason maps, tried with phrases that their author did not copy into them.

use bankgate::domain::exchange::{InboundKind, Outcome};
use bankgate::domain::reason::Reason;

use super::{ALL, profile, read};

/// A line of P1's result that failed with these words.
fn failed_with(code: &str, words: &str) -> (Outcome, bool, Option<Reason>) {
    let (text, _, _) = ("1|王五|1.00|6217001234567890014|1|", code, words);
    let line = format!("1|1.00|0|0.00|\r\n{text}{code}|{words}|\r\n");
    let mut bytes = Vec::new();
    bankgate::format::Dialect::Gbk.encode(&line, &mut bytes).expect("the phrase is plain Chinese");
    let read = read(profile("pipe-gbk-summary"), InboundKind::Result, "data", &bytes);
    assert_eq!(read.faults, []);
    let answer = &read.answers[0];
    assert_eq!((answer.raw_code.is_empty(), answer.raw_text.as_str()), (false, words));
    (answer.outcome, answer.is_final, answer.reason)
}

#[test]
fn phrases_of_many_banks_find_their_reason() {
    for (words, reason) in [
        ("户名不符,原户名为[王小五]", Reason::NameMismatch),
        ("账号与户名不一致", Reason::NameMismatch),
        ("收款人姓名有误", Reason::NameMismatch),
        ("身份证号码不符", Reason::IdMismatch),
        ("证件号码有误，请核对", Reason::IdMismatch),
        ("账户不存在", Reason::AcctNotFound),
        ("查无此账户", Reason::AcctNotFound),
        ("卡号不存在", Reason::AcctNotFound),
        ("账号位数错误", Reason::AcctNoInvalid),
        ("该账户已销户", Reason::AcctClosed),
        ("卡片已注销", Reason::AcctClosed),
        ("账户被司法冻结", Reason::AcctFrozen),
        ("账户已冻结", Reason::AcctFrozen),
        ("该账户只收不付", Reason::AcctStopped),
        ("账户止付", Reason::AcctStopped),
        ("卡已口头挂失", Reason::CardLost),
        ("社保卡金融账户未激活", Reason::NotActivated),
        ("卡片已制未发", Reason::NotActivated),
        ("社保卡三代换卡", Reason::CardReplaced),
        ("已换卡，请提供新卡号", Reason::CardReplaced),
        ("久悬户", Reason::AcctDormant),
        ("证件已过期", Reason::InfoIncomplete),
        ("客户信息不完整", Reason::InfoIncomplete),
        ("II类户超限额", Reason::AcctClassLimit),
        ("二类账户累计超限", Reason::AcctClassLimit),
        ("该户为非结算户", Reason::AcctType),
        ("开户行行号错误", Reason::BankCodeWrong),
        ("账户状态不正常", Reason::AcctStatusOther),
        ("状态异常", Reason::AcctStatusOther),
        ("不允许的交易", Reason::TxnForbidden),
        ("开户机构无权限", Reason::TxnForbidden),
        ("持卡人已死亡", Reason::Deceased),
        ("超出单笔限额", Reason::AmountLimit),
        ("未处理记录重复", Reason::DupInBatch),
        ("付款账户余额不足", Reason::PayerFunds),
        ("系统繁忙，请稍后再试", Reason::SysBusy),
        ("通讯异常", Reason::SysBusy),
        ("对方行系统故障", Reason::RecvBankDown),
        ("收款人拒收", Reason::BeneficiaryRefused),
        ("第3行文件明细格式不符", Reason::FileFormat),
        ("SM3校验失败", Reason::DigestSignature),
        ("单位编号不存在", Reason::UnitOrAgreement),
        ("总笔数不符", Reason::TotalsMismatch),
        ("交易日期不符", Reason::DateOrCutoff),
    ] {
        assert_eq!(failed_with("", words), (Outcome::Failed, true, Some(reason)), "{words}");
    }
}

#[test]
fn words_that_are_not_in_the_map_are_left_to_a_person() {
    for words in ["", "其他", "失败", "9", "请联系开户网点", "交易失败"] {
        assert_eq!(failed_with("", words), (Outcome::Failed, true, Some(Reason::OtherUnmapped)), "{words}");
    }
    assert_eq!(failed_with("ACR2938", "未说明"), (Outcome::Failed, true, Some(Reason::OtherUnmapped)));
}

#[test]
fn a_failure_that_says_it_does_not_know_is_unknown() {
    for (code, words, reason) in [
        ("", "交易处理中", Reason::InProgress),
        ("", "已受理，待清算", Reason::InProgress),
        ("", "交易超时，状态未知", Reason::ResultUnknown),
        ("", "结果待查", Reason::ResultUnknown),
        ("", "批次重复", Reason::DupBatch),
        ("", "文件名重复", Reason::FileNameDup),
        ("2003", "", Reason::InProgress),
        ("0003", "", Reason::ResultUnknown),
    ] {
        assert_eq!(failed_with(code, words), (Outcome::Unknown, false, Some(reason)), "{code} {words}");
    }
}

#[test]
fn a_code_goes_before_the_words_beside_it() {
    assert_eq!(failed_with("3006", "账户状态不正常").2, Some(Reason::CardLost));
    assert_eq!(failed_with("XXXX", "账户状态不正常").2, Some(Reason::AcctStatusOther));
}

#[test]
fn every_profile_maps_many_phrases() {
    for id in ALL {
        let text = std::fs::read_to_string(super::folder(id).join("profile.toml")).unwrap();
        assert!(text.matches("[[reason]]").count() >= 30, "{id}");
    }
}
