//! Why a payment failed, in one vocabulary for all banks, and what that asks of whom.
//!
//! A reason never makes an outcome: whether a payment failed is decided by the profile's status map alone. The class
//! says only what to do after a *final* failure, and it is a default that two people may overrule.

use serde::{Deserialize, Serialize};

/// What a final failure asks for (后续处理).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReasonClass {
    /// CD: the department corrects the data; paid again through a released reissue batch.
    #[serde(rename = "CD")]
    Correctable,
    /// BA: the person must act at the bank; then as CD.
    #[serde(rename = "BA")]
    Beneficiary,
    /// IR: not eligible; the money goes back to the treasury.
    #[serde(rename = "IR")]
    Ineligible,
    /// BT: the bank was unable for the moment; retried by itself, a limited number of times.
    #[serde(rename = "BT")]
    Transient,
    /// UR: failed for certain, the reason unclear; somebody finds it, then CD, BA or IR.
    #[serde(rename = "UR")]
    Unclear,
    /// EN: the outcome is unknown; enquire, never pay again meanwhile.
    #[serde(rename = "EN")]
    Enquire,
    /// GW: the gateway or its operator must fix something; nothing was paid.
    #[serde(rename = "GW")]
    Gateway,
}

impl ReasonClass {
    /// Every class, in the order of BANK-FILES section 4.
    pub const ALL: [Self; 7] =
        [Self::Correctable, Self::Beneficiary, Self::Ineligible, Self::Transient, Self::Unclear, Self::Enquire, Self::Gateway];

    /// The two letters by which the class is stored and printed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Correctable => "CD",
            Self::Beneficiary => "BA",
            Self::Ineligible => "IR",
            Self::Transient => "BT",
            Self::Unclear => "UR",
            Self::Enquire => "EN",
            Self::Gateway => "GW",
        }
    }

    /// The class of a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }

    /// What a clerk should do, in plain Chinese.
    #[must_use]
    pub const fn advice_zh(self) -> &'static str {
        match self {
            Self::Correctable => "请核对并更正收款人信息，经审批后重新发放",
            Self::Beneficiary => "请通知本人到开户银行办理，办妥后经审批重新发放",
            Self::Ineligible => "不再发放，资金按规定退回国库",
            Self::Transient => "系统将自动重试，无需处理",
            Self::Unclear => "请与银行核实原因，再决定更正、通知本人或退回",
            Self::Enquire => "结果未明，正在向银行查询，请勿重复发放",
            Self::Gateway => "由财政信息部门处理，资金未划出",
        }
    }

    /// The same in English.
    #[must_use]
    pub const fn advice_en(self) -> &'static str {
        match self {
            Self::Correctable => "Check and correct the payee's data, then issue again through approval",
            Self::Beneficiary => "Ask the person to settle it at the bank, then issue again through approval",
            Self::Ineligible => "Not to be paid; the money goes back to the treasury",
            Self::Transient => "Retried by the system; nothing to do",
            Self::Unclear => "Find the reason with the bank, then correct, inform the person or refund",
            Self::Enquire => "The outcome is unknown and being enquired; do not pay again",
            Self::Gateway => "For finance IT; no money left",
        }
    }
}

macro_rules! reasons {
    ($($name:ident = $code:literal, $zh:literal, $en:literal, $class:ident, $iso:literal;)*) => {
        /// A canonical failure reason (失败原因).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $en] $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code by which it is stored, and named in profiles.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// In Chinese, as mails and reports say it.
            #[must_use]
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            /// In English.
            #[must_use]
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }

            /// What it asks for by default.
            #[must_use]
            pub const fn class(self) -> ReasonClass {
                match self { $(Self::$name => ReasonClass::$class,)* }
            }

            /// The ISO 20022 external status or return reason code nearest to it: an annotation, not the key.
            #[must_use]
            pub const fn iso(self) -> &'static str {
                match self { $(Self::$name => $iso,)* }
            }
        }
    };
}

reasons! {
    AcctNotFound = "ACCT_NOT_FOUND", "账户不存在/卡号不存在", "account does not exist", Correctable, "AC01";
    AcctNoInvalid = "ACCT_NO_INVALID", "账号格式错误", "malformed account number", Correctable, "AC01";
    NameMismatch = "NAME_MISMATCH", "户名不符", "name does not match account", Correctable, "BE01";
    NameCharUnsupported = "NAME_CHAR_UNSUPPORTED", "姓名含生僻字无法处理", "name not representable in bank's charset", Correctable, "NARR";
    IdMismatch = "ID_MISMATCH", "证件号码不符", "ID number does not match bank record", Correctable, "BE17";
    IdMissingOrInvalid = "ID_MISSING_OR_INVALID", "证件信息缺失/无效", "ID missing or fails check digit", Correctable, "BE17";
    BankCodeWrong = "BANK_CODE_WRONG", "开户行/行号错误", "wrong bank or branch number", Correctable, "RC01";
    CardReplaced = "CARD_REPLACED", "已换卡/新旧账号", "card replaced, number changed", Correctable, "AC15";
    AcctClosed = "ACCT_CLOSED", "账户已销户/清户/销卡", "account or card closed", Beneficiary, "AC04";
    AcctFrozen = "ACCT_FROZEN", "账户冻结（司法/内部）", "frozen", Beneficiary, "AC06";
    AcctStopped = "ACCT_STOPPED", "止付/只收不付等", "stop-payment state", Beneficiary, "AC06";
    CardLost = "CARD_LOST", "挂失", "reported lost", Beneficiary, "AC06";
    AcctDormant = "ACCT_DORMANT", "睡眠户/久悬户", "dormant", Beneficiary, "AC06";
    NotActivated = "NOT_ACTIVATED", "金融账户未激活/已制未发", "financial account not activated / card not issued", Beneficiary, "AC06";
    InfoIncomplete = "INFO_INCOMPLETE", "客户信息不完善/证件过期", "customer data incomplete or ID expired at bank", Beneficiary, "RR04";
    AcctClassLimit = "ACCT_CLASS_LIMIT", "二、三类账户限额", "class II/III account limit", Beneficiary, "AM02";
    AcctType = "ACCT_TYPE", "非结算户/非个人活期", "not a settlement account", Beneficiary, "AG01";
    AcctStatusOther = "ACCT_STATUS_OTHER", "账户状态不正常", "abnormal state, unspecified", Unclear, "AC06";
    TxnForbidden = "TXN_FORBIDDEN", "不允许的交易/开户机构无权限", "transaction not permitted", Unclear, "AG01";
    Deceased = "DECEASED", "死亡", "beneficiary deceased", Ineligible, "MD07";
    DupBenefit = "DUP_BENEFIT", "重复领取", "duplicate benefit", Ineligible, "CUST";
    Ineligible = "INELIGIBLE", "不符合领取条件", "not eligible / policy withdrawn", Ineligible, "CUST";
    NotFixedInYear = "NOT_FIXED_IN_YEAR", "当年无法纠错", "personal cause, not correctable within year", Ineligible, "CUST";
    AmountInvalid = "AMOUNT_INVALID", "金额错误/为零/超精度", "amount invalid", Correctable, "AM12";
    AmountLimit = "AMOUNT_LIMIT", "超业务限额", "over single/daily limit", Correctable, "AM02";
    DupInBatch = "DUP_IN_BATCH", "批次内重复", "duplicate item in batch", Correctable, "AM05";
    DupBatch = "DUP_BATCH", "批次重复", "batch already processed", Enquire, "AM05";
    TotalsMismatch = "TOTALS_MISMATCH", "总笔数/总金额不符", "control totals differ", Gateway, "AM10";
    FileFormat = "FILE_FORMAT", "文件格式错误", "file or row format error", Gateway, "FF01";
    FileNameDup = "FILE_NAME_DUP", "文件名重复", "file name already used", Enquire, "RF01";
    DigestSignature = "DIGEST_SIGNATURE", "MD5/SM3/签名错误", "digest or signature failure", Gateway, "NARR";
    DateOrCutoff = "DATE_OR_CUTOFF", "日期不符/超过截止时间", "date rule or cut-off", Transient, "DT01";
    UnitOrAgreement = "UNIT_OR_AGREEMENT", "单位编号/协议不存在", "payer unit or agreement unknown", Gateway, "AG02";
    PayerFunds = "PAYER_FUNDS", "付款账户余额/额度不足", "payer balance or treasury quota short", Transient, "AM04";
    PayerAcct = "PAYER_ACCT", "零余额账户状态异常", "payer account state", Gateway, "AC02";
    SysBusy = "SYS_BUSY", "系统忙", "bank system busy", Transient, "TECH";
    RecvBankDown = "RECV_BANK_DOWN", "收款行故障/跨行通道故障", "receiving bank or channel down", Transient, "ED05";
    NotExecuted = "NOT_EXECUTED", "银行书面确认未办理", "not executed, by the bank's written word", Gateway, "CUST";
    InProgress = "IN_PROGRESS", "处理中/已受理", "accepted, not final", Enquire, "NARR";
    ResultUnknown = "RESULT_UNKNOWN", "状态未知/超时", "unknown outcome", Enquire, "NARR";
    LateReturn = "LATE_RETURN", "退票/退汇", "credited then returned", Unclear, "NARR";
    PartialPaid = "PARTIAL_PAID", "部分成功", "paid amount < instructed", Enquire, "NARR";
    BeneficiaryRefused = "BENEFICIARY_REFUSED", "收款人拒收/退款", "beneficiary refused or returned", Unclear, "CUST";
    OtherUnmapped = "OTHER_UNMAPPED", "其他/未映射", "other, reason lost or unmapped", Unclear, "MS03";
}

impl Reason {
    /// The reason of a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.code() == code)
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("{code:?} is not a canonical reason code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert!(Reason::ALL.iter().skip(i + 1).all(|other| other.code() != reason.code()));
            assert_eq!(ReasonClass::from_code(reason.class().code()), Some(reason.class()));
        }
    }

    #[test]
    fn a_bank_that_says_duplicate_is_asked_never_paid_again() {
        assert_eq!(Reason::DupBatch.class(), ReasonClass::Enquire);
        assert_eq!(Reason::FileNameDup.class(), ReasonClass::Enquire);
    }
}
