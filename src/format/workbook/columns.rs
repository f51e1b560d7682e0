//! What stands in which column of which workbook. A column that several workbooks have stands here once: departments sort, compare
//! and copy between them by its title.

/// One column: its key in `_bankgate`, its title, its width in pixels, and what its cells are.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    pub(super) width: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Money,
    Count,
    /// Unlocked, for the department.
    Input,
    /// Unlocked, with the drop-down of decisions.
    Decision,
    Hidden,
}

impl Column {
    const fn wide(self, width: u32) -> Self {
        Self { width, ..self }
    }
}

pub(super) const fn column(key: &'static str, zh: &'static str, en: &'static str, width: u32, kind: Kind) -> Column {
    Column { key, zh, en, width, kind }
}

const SEQ: Column = column("seq", "序号", "No.", 45, Kind::Count);
const TOWNSHIP: Column = column("township", "镇乡", "Township", 85, Kind::Text);
const VILLAGE: Column = column("village", "村", "Village", 85, Kind::Text);
const PAYEE: Column = column("payee_name", "户主/姓名", "Payee", 95, Kind::Text);
const ID_LAST_FOUR: Column = column("id_last_four", "身份证号后四位", "ID, last four", 75, Kind::Text);
const CARD_LAST_FOUR: Column = column("account_last_four", "卡号后四位", "Card, last four", 75, Kind::Text);
const PAYMENT_NO: Column = column("payment_no", "支付编号", "Payment no.", 110, Kind::Text);
const PROJECT: Column = column("project", "项目", "Project", 140, Kind::Text);
const AMOUNT: Column = column("amount", "金额（元）", "Amount (yuan)", 90, Kind::Money);
const COUNT: Column = column("count", "笔数", "Count", 80, Kind::Count);

pub(super) const FAILURE_COLUMNS: [Column; 25] = [
    SEQ,
    TOWNSHIP,
    VILLAGE,
    PAYEE,
    ID_LAST_FOUR,
    CARD_LAST_FOUR,
    PAYMENT_NO,
    column("batch_no", "批次号", "Batch", 120, Kind::Text),
    PROJECT,
    AMOUNT,
    column("kind", "失败环节", "Failed at", 95, Kind::Text),
    column("reason", "失败原因", "Reason", 150, Kind::Text),
    column("bank_words", "银行说明", "Bank's words", 150, Kind::Text),
    column("advice", "处理办法", "What to do", 220, Kind::Text),
    column("due", "办理期限", "By when", 85, Kind::Text),
    column("new_name", "更正姓名", "Corrected name", 95, Kind::Input),
    column("new_id_number", "更正身份证号", "Corrected ID number", 150, Kind::Input),
    column("new_account", "更正卡号", "Corrected card", 160, Kind::Input),
    column("new_bank_code", "更正开户行号", "Corrected bank no.", 110, Kind::Input),
    column("new_mobile", "更正手机号", "Corrected mobile", 110, Kind::Input),
    column("decision", "处理意见", "Decision", 100, Kind::Decision),
    column("note", "备注", "Note", 160, Kind::Input),
    column("reference", "原支付指令号", "Failed instruction", 140, Kind::Hidden),
    column("reason_code", "原因代码", "Reason code", 120, Kind::Hidden),
    column("class", "处理类别", "Class", 60, Kind::Hidden),
];

pub(super) const COMPLETED_COLUMNS: [Column; 12] = [
    SEQ,
    TOWNSHIP,
    VILLAGE,
    PAYEE,
    ID_LAST_FOUR,
    CARD_LAST_FOUR,
    PAYMENT_NO,
    column("bank", "银行", "Bank", 130, Kind::Text),
    AMOUNT,
    column("result", "结果", "Result", 100, Kind::Text),
    column("paid_on", "到账日期", "Credited on", 85, Kind::Text),
    column("reason", "原因", "Reason", 170, Kind::Text),
];

pub(super) const REASON_COLUMNS: [Column; 4] = [
    column("reason", "失败原因", "Reason", 220, Kind::Text),
    COUNT,
    AMOUNT.wide(110),
    column("advice", "处理办法", "What to do", 380, Kind::Text),
];

pub(super) const CORRECTION_COLUMNS: [Column; 6] = [
    column("line", "行号", "Row", 60, Kind::Text),
    PAYMENT_NO.wide(160),
    column("verdict", "处理结果", "Result", 85, Kind::Text),
    column("words", "说明", "Why", 420, Kind::Text),
    column("batch", "重发批次", "Reissue batch", 170, Kind::Text),
    column("seq", "批内序号", "Row there", 70, Kind::Text),
];

pub(super) const RECOVERY_COLUMNS: [Column; 13] = [
    SEQ,
    column("case", "案件编号", "Case", 75, Kind::Text),
    TOWNSHIP,
    VILLAGE,
    PAYEE,
    ID_LAST_FOUR,
    CARD_LAST_FOUR,
    PAYMENT_NO,
    PROJECT,
    AMOUNT,
    column("told_on", "发放日期", "Paid on", 85, Kind::Text),
    column("reason", "不应发放原因", "Why not due", 170, Kind::Text),
    column("due", "追回期限", "By when", 85, Kind::Text),
];

pub(super) const RESULT_COLUMNS: [Column; 3] = [column("result", "结果", "Result", 160, Kind::Text), COUNT, AMOUNT.wide(130)];

pub(super) const UNPAID_COLUMNS: [Column; 12] = [
    SEQ,
    TOWNSHIP,
    VILLAGE,
    column("payee_name", "姓名", "Payee", 95, Kind::Text),
    column("id_number", "身份证号", "ID number", 130, Kind::Text),
    column("reference", "支付指令号", "Instruction", 140, Kind::Text),
    column("batch", "批次", "Batch", 110, Kind::Text),
    AMOUNT,
    column("reason", "原因", "Reason", 150, Kind::Text),
    column("case", "案件", "Case", 60, Kind::Text),
    column("order", "退款单", "Refund order", 110, Kind::Text),
    column("state", "现状", "State", 100, Kind::Text),
];

pub(super) const TOWNSHIP_COLUMNS: [Column; 3] = [TOWNSHIP.wide(160), COUNT, AMOUNT.wide(130)];

pub(super) const PUBLIC_COLUMNS: [Column; 11] = [
    SEQ,
    TOWNSHIP,
    VILLAGE,
    column("group", "组", "Group", 60, Kind::Text),
    column("household_no", "户编号", "Household", 80, Kind::Text),
    column("entitled_name", "享受对象", "Entitled", 90, Kind::Text),
    column("payee_name", "收款人", "Received by", 90, Kind::Text),
    column("payee_id", "收款人身份证号", "Receiver's ID", 160, Kind::Text),
    CARD_LAST_FOUR,
    AMOUNT.wide(110),
    column("note", "备注", "Note", 120, Kind::Text),
];

pub(super) const STATEMENT_COLUMNS: [Column; 9] = [
    TOWNSHIP,
    VILLAGE,
    column("name", "姓名", "Name", 90, Kind::Text),
    column("id_number", "身份证号", "ID", 160, Kind::Text),
    column("on", "入账日期", "Credited on", 90, Kind::Text),
    column("project", "补贴项目", "Subsidy", 200, Kind::Text),
    column("period", "所属期", "Period", 80, Kind::Text),
    CARD_LAST_FOUR,
    AMOUNT.wide(110),
];
