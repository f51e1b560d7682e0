//! The words of the onboarding pack (接入资料): what the keys of the profile language are called by people at a bank.

use super::charset::Dialect;
use super::profile::{Absence, BindingKey, DebitModel, PublishMode, Readiness, Response, ReturnSemantics};
use super::spec::{FieldSpec, Newline, Place, SignSpec, SyntaxSpec, TypeSpec};
use crate::domain::exchange::{InboundKind, Outcome};

/// The vocabulary of columns and templates.
const VALUES: [(&str, &str); 60] = [
    ("reference", "引用号（我方唯一编号，回盘请原样带回）"),
    ("seq", "序号（文件内从1起）"),
    ("payee_name", "收款人户名"),
    ("id_number", "收款人证件号码"),
    ("account", "收款账号"),
    ("bank_code", "收款行行号"),
    ("amount", "金额"),
    ("mobile", "手机号"),
    ("project_short", "项目简称"),
    ("remark", "备注"),
    ("ordinal", "该账号当日第几笔"),
    ("batch_no", "批次号"),
    ("date", "业务日期"),
    ("seq_no", "当日文件序号"),
    ("unit_no", "单位编号"),
    ("payer_account", "付款账号"),
    ("payer_name", "付款户名"),
    ("payer_bank", "付款行行号"),
    ("department", "主管部门"),
    ("project", "补贴项目"),
    ("period", "补贴期间"),
    ("file_name", "文件名"),
    ("file_stem", "文件名（不含扩展名）"),
    ("count", "总笔数"),
    ("total", "总金额"),
    ("batch_project_short", "项目简称"),
    ("md5", "此前内容的MD5"),
    ("sm3", "此前内容的SM3"),
    ("sha256", "此前内容的SHA-256"),
    ("sent_count", "原文件总笔数"),
    ("sent_total", "原文件总金额"),
    ("ignore", "我方不读"),
    ("paid", "实际入账金额"),
    ("status", "处理状态（见状态码）"),
    ("code", "原因码"),
    ("text", "说明"),
    ("bank_ref", "银行流水号"),
    ("file_status", "整个文件的状态"),
    ("file_code", "整个文件的原因码"),
    ("file_text", "整个文件的说明"),
    ("group_status", "分组状态"),
    ("value_date", "入账日期"),
    ("paid_count", "成功笔数"),
    ("paid_total", "成功金额"),
    ("failed_count", "失败笔数"),
    ("failed_total", "失败金额"),
    ("entry_date", "记账日期"),
    ("side", "借贷标志"),
    ("counter_account", "对方账号"),
    ("counter_name", "对方户名"),
    ("from", "起始日期"),
    ("to", "截止日期"),
    ("opening", "期初余额"),
    ("closing", "期末余额"),
    ("debit_count", "借方笔数"),
    ("debit_total", "借方金额"),
    ("credit_count", "贷方笔数"),
    ("credit_total", "贷方金额"),
    ("bytes", "字节数"),
    ("lines", "行数"),
];

/// A name of the vocabulary; one that the profile declares itself stays as it is.
pub fn value(name: &str) -> String {
    let known = VALUES.iter().find(|(key, _)| *key == name).map(|(_, zh)| (*zh).to_owned());
    known.unwrap_or_else(|| name.strip_prefix("extra.").map_or_else(|| name.to_owned(), |extra| format!("约定值 {extra}")))
}

/// A template: what stands in braces, in words.
pub fn template(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((inside, after)) = behind.split_once('}') else { break };
        out.push_str(before);
        let (name, form) = inside.split_once(':').map_or((inside, ""), |(name, form)| (name, form));
        let short = match name {
            "name" => "付款文件名".to_owned(),
            "asked" => "查询日期".to_owned(),
            "account" => "账号".to_owned(),
            "md5" | "sm3" | "sha256" => format!("文件的{}", name.to_uppercase()),
            other => value(other).split('（').next().unwrap_or_default().to_owned(),
        };
        let form = match form.parse::<u32>() {
            _ if form.is_empty() => String::new(),
            Ok(digits) => format!("，{digits}位"),
            Err(_) => format!(" {form}"),
        };
        out.push_str(&format!("〈{short}{form}〉"));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How a column's text is written.
pub fn format(field: &FieldSpec) -> String {
    let mut said = Vec::new();
    if let Some(kind) = &field.kind {
        said.push(
            match kind.get_ref() {
                TypeSpec::Text => "文字",
                TypeSpec::Yuan => "元，两位小数",
                TypeSpec::Fen => "分，整数",
                TypeSpec::Jiao => "角",
                TypeSpec::Li => "厘",
                TypeSpec::Thousand => "千元",
                TypeSpec::Wan => "万元",
                TypeSpec::Integer => "整数",
                TypeSpec::Date => "日期",
                TypeSpec::Side => "借贷标志",
            }
            .to_owned(),
        );
    }
    if let Some(format) = &field.format {
        said.push(format.get_ref().clone());
    }
    if let (Some(credit), Some(debit)) = (&field.credit, &field.debit) {
        said.push(format!("贷 {}，借 {}", credit.get_ref(), debit.get_ref()));
    }
    if field.signed {
        said.push(if field.sign.as_ref().is_some_and(|s| *s.get_ref() == SignSpec::Trailing) { "符号在后" } else { "可带负号" }.to_owned());
    }
    if !field.map.is_empty() {
        said.push(field.map.iter().map(|(ours, theirs)| format!("{ours}={theirs}")).collect::<Vec<_>>().join("，"));
    }
    said.join("，")
}

/// Which record a line is.
pub const fn place(at: Place) -> &'static str {
    match at {
        Place::First => "首行",
        Place::Each => "明细",
        Place::Last => "末行",
        Place::Any => "任意位置",
        Place::Group => "分组",
        Place::Prologue => "报文头（定长，在XML之前）",
    }
}

/// How records are written.
pub fn syntax(syntax: SyntaxSpec, delimiter: Option<&str>) -> String {
    match (syntax, delimiter) {
        (SyntaxSpec::Delimited, Some("\t")) => "制表符分隔".to_owned(),
        (SyntaxSpec::Delimited, Some(delimiter)) => format!("以“{delimiter}”分隔"),
        (SyntaxSpec::Delimited, None) => "分隔".to_owned(),
        (SyntaxSpec::Fixed, _) => "定长（按字节）".to_owned(),
        (SyntaxSpec::Prefixed, _) => "变长，前有长度".to_owned(),
        (SyntaxSpec::Sheet, _) => "电子表格".to_owned(),
        (SyntaxSpec::Xml, _) => "XML".to_owned(),
    }
}

/// A character set as bank people know it.
pub const fn charset(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gbk => "GBK",
        Dialect::GbkWeb => "GBK（WHATWG）",
        Dialect::GbkJava => "GBK（Java）",
        Dialect::Cp936 => "GBK（Windows 936）",
        Dialect::Gb18030 => "GB18030",
        Dialect::Gb18030Of2005 => "GB18030-2005",
        Dialect::Gb18030Of2022 => "GB18030-2022",
        Dialect::Utf8 => "UTF-8，不带BOM",
        Dialect::Utf8Bom => "UTF-8，带BOM",
    }
}

/// The line's end.
pub const fn newline(newline: Newline) -> &'static str {
    match newline {
        Newline::Lf => "LF（0A）",
        Newline::Crlf => "CRLF（0D 0A）",
        Newline::Either => "LF 或 CRLF",
    }
}

/// What an answer holds.
pub const fn semantics(semantics: ReturnSemantics) -> &'static str {
    match semantics {
        ReturnSemantics::AllRows => "逐笔返回，每笔付款都有一行",
        ReturnSemantics::FailuresOnly => "只返回失败，成功由笔数和金额证明",
        ReturnSemantics::SplitSuccessFailure => "成功、失败各一个文件，合起来等于付款文件",
        ReturnSemantics::FailuresElseSuccesses => "有失败时返回失败，否则返回成功",
        ReturnSemantics::SummaryThenQuery => "先返回汇总，明细另行查询",
    }
}

/// What is taken from the payer.
pub const fn debit(model: DebitModel) -> &'static str {
    match model {
        DebitModel::Net => "按成功金额扣款",
        DebitModel::Gross => "按文件总额扣款，失败部分另行退回",
        DebitModel::GrossCheckedUpfront => "受理时按文件总额检查余额并扣款，失败部分另行退回",
    }
}

/// By what an answer finds its payment.
pub const fn binding(key: BindingKey) -> &'static str {
    match key {
        BindingKey::Reference => "引用号",
        BindingKey::Seq => "序号",
        BindingKey::AccountAmount => "账号和金额",
        BindingKey::AccountNameAmount => "账号、户名和金额",
    }
}

/// How our file becomes whole.
pub const fn publish(mode: PublishMode) -> &'static str {
    match mode {
        PublishMode::Rename => "先以 .part 结尾的名字上传，完整后改名；请勿读取 .part 文件",
        PublishMode::Flag => "数据文件之后上传标志文件；见到标志文件再读取",
        PublishMode::Direct => "直接写入",
    }
}

/// How theirs is known to be whole.
pub const fn ready(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Stable => "大小和时间两次相同后读取",
        Readiness::Flag => "标志文件到达后读取",
        Readiness::Pair => "一组文件齐全后读取",
        Readiness::Rename => "改名到位后读取",
    }
}

/// How a later answer stands to an earlier one.
pub const fn response(response: Response) -> &'static str {
    match response {
        Response::Cumulative => "累计：每次含此前全部结果",
        Response::Delta => "增量：每次只含新结果",
        Response::Replace => "替换：每次都是完整结果",
    }
}

/// What silence means.
pub const fn absence(absence: Absence) -> &'static str {
    match absence {
        Absence::Unknown => "视为没有结果，继续查询",
        Absence::Paid => "笔数和金额相符时视为成功，否则视为没有结果",
        Absence::Failed => "笔数和金额相符时视为失败，否则视为没有结果",
    }
}

/// A file of the bank's.
pub const fn kind(kind: InboundKind) -> &'static str {
    match kind {
        InboundKind::Ack => "受理回执",
        InboundKind::Result => "回盘文件",
        InboundKind::Return => "退票文件",
        InboundKind::Statement => "对账单",
        InboundKind::Enquiry => "查询应答",
    }
}

/// What a status says.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "已受理，尚未付款",
        Outcome::Paid => "成功入账",
        Outcome::Failed => "失败，未入账",
        Outcome::Returned => "入账后退回",
        Outcome::Unknown => "没有确切结果",
    }
}
