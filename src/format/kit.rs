//! What a bank is given when it joins (银行接入资料): the layouts of a profile as tables for people, in the bank's language. Made
//! from the written profile, so that what the bank is told is what the gateway does.

use std::collections::BTreeMap;

use super::kit_words as words;
use super::profile::{Profile, ProfileError};
use super::spec::{FieldSpec, FormSpec, InboundSpec, LayoutSpec, Place, RecordSpec, Spec, SplitBy, StatusSpec, SyntaxSpec};
use super::workbook::PlainSheet;
use crate::domain::reason::Reason;

/// Texts found in samples: by layout and field.
pub type Examples = BTreeMap<(String, String), String>;

/// A profile, laid out for people.
#[derive(Debug)]
pub struct Kit {
    spec: Spec,
    digest: String,
}

impl Kit {
    /// Of a profile's text.
    ///
    /// # Errors
    /// As [`Profile::read`].
    pub fn read(text: &str, file: &std::path::Path) -> Result<Self, ProfileError> {
        let profile = Profile::read(text, file)?;
        let unreadable = |e: toml::de::Error| ProfileError { file: file.to_path_buf(), line: 0, column: 0, what: e.message().to_owned() };
        Ok(Self { spec: toml::from_str(text).map_err(unreadable)?, digest: profile.digest().to_owned() })
    }

    /// The layout that the payment file is written in.
    #[must_use]
    pub fn request_layout(&self) -> &str {
        self.spec.request.get_ref().layout.get_ref()
    }

    /// The layout that a file of the bank's is written in.
    #[must_use]
    pub fn layout_of(&self, kind: crate::domain::exchange::InboundKind, role: &str) -> Option<&str> {
        let of = |i: &&InboundSpec| i.kind == kind && i.role.get_ref() == role;
        self.spec.inbound.iter().map(toml::Spanned::get_ref).find(of)?.layout.as_ref().map(|l| l.get_ref().as_str())
    }

    /// The tables: exchange, files, a sheet a layout, status codes, reasons.
    #[must_use]
    pub fn sheets(&self, examples: &Examples) -> Vec<PlainSheet> {
        let title = format!("{}（{}，第{}版）", self.spec.title_zh.get_ref(), self.spec.id.get_ref(), self.spec.version.get_ref());
        let sheet = |name, title: String, columns, rows| PlainSheet { name, title, columns, rows };
        let two = vec![("项目", "item", 160), ("约定", "rule", 620)];
        let mut sheets = vec![
            sheet(("交换约定", "Exchange"), title.clone(), two, self.exchange()),
            sheet(("文件与目录", "Files"), title.clone(), columns(&FILES), self.files()),
        ];
        let fields: Vec<Vec<String>> =
            self.spec.layout.iter().flat_map(|(name, layout)| self.fields(name, layout.get_ref(), examples)).collect();
        sheets.push(sheet(("字段说明", "Fields"), title.clone(), columns(&FIELDS), fields));
        sheets.push(sheet(("状态码", "Status"), title.clone(), columns(&STATUS), self.statuses()));
        sheets.push(sheet(("失败原因", "Reasons"), title, columns(&REASONS), self.reasons()));
        sheets
    }

    /// How the exchange goes, item by item.
    #[must_use]
    pub fn exchange(&self) -> Vec<Vec<String>> {
        let e = self.spec.exchange.get_ref();
        let binding: Vec<&str> = e.binding.get_ref().iter().map(|key| words::binding(*key)).collect();
        let days = |n: u32| format!("{n} 个工作日");
        let mut rows = vec![
            ("接口编号", format!("{} 第{}版", self.spec.id.get_ref(), self.spec.version.get_ref())),
            ("接口摘要（SHA-256）", self.digest.clone()),
            ("字符集", words::charset(self.spec.charset).to_owned()),
            ("换行", words::newline(self.spec.newline).to_owned()),
            ("回盘方式", words::semantics(e.return_semantics).to_owned()),
            ("扣款方式", words::debit(e.debit_model).to_owned()),
            ("回盘与付款的对应", binding.join("；其次")),
            ("我方文件就绪标志", words::publish(*e.publish.get_ref()).to_owned()),
            ("贵行文件就绪标志", words::ready(*e.ready.get_ref()).to_owned()),
            ("多次回盘", words::response(e.response).to_owned()),
            ("回盘未列明的付款", words::absence(*e.absence_means.get_ref()).to_owned()),
            ("单个文件最多笔数", e.max_rows.get_ref().to_string()),
        ];
        if let Some(SplitBy::ReceivingBank) = e.split_by {
            rows.push(("分文件方式", "每个文件只含同一收款行的付款".to_owned()));
        }
        if let Some(max) = &e.max_amount {
            rows.push(("单个文件最大金额（元）", max.get_ref().clone()));
        }
        rows.push(("改日重发", if e.re_dated { "文件日期须改为重发当日" } else { "文件原样重发，日期不变" }.to_owned()));
        if let Some(minutes) = &e.ack_within_minutes {
            rows.push(("受理回执时限", format!("发出后 {} 分钟内", minutes.get_ref())));
        }
        rows.push(("回盘时限", format!("发出后 {}内", days(e.expected_within_days))));
        rows.push(("逾期查询", format!("发出 {}后我方发起查询或致电", days(*e.late_after_days.get_ref()))));
        rows.push((
            "人工处理",
            format!("发出 {}后仍无结果，转双方人工核对；未有确切结果前我方不重发", days(*e.abandon_after_days.get_ref())),
        ));
        for rule in self.spec.substitute.iter().map(toml::Spanned::get_ref) {
            let (from, to, by) = (rule.from.get_ref(), rule.to.get_ref(), rule.agreed_in.get_ref());
            rows.push(("姓名用字替换", format!("户名中的“{from}”写作“{to}”（依据：{by}）")));
        }
        if e.returns_within_days > 0 {
            rows.push(("退票期", format!("入账后 {} 个自然日内可退票", e.returns_within_days)));
        }
        rows.push(("受理截止时间", "按代理协议登记；未登记的为 16:30，过时的文件次日发出".to_owned()));
        rows.into_iter().map(|(item, rule)| vec![item.to_owned(), rule]).collect()
    }

    /// Which file goes where.
    #[must_use]
    pub fn files(&self) -> Vec<Vec<String>> {
        let request = self.spec.request.get_ref();
        let below = |dir: &str, name: &str| if dir.is_empty() { format!("inbox/{name}") } else { format!("inbox/{dir}/{name}") };
        let dir = request.dir.get_ref();
        let row = |way: &str, kind: &str, path: String, layout: &str, note: String| {
            vec![way.to_owned(), kind.to_owned(), words::template(&path), layout.to_owned(), note]
        };
        let packed = request.zip.as_ref().map(|z| format!("压缩包（zip），内含 {}", words::template(z.get_ref().member.get_ref())));
        let mut rows =
            vec![row("我方→贵行", "付款文件", below(dir, request.name.get_ref()), request.layout.get_ref(), packed.unwrap_or_default())];
        if let Some(name) = &request.flag_name {
            let text = request.flag.as_ref().map(|f| format!("内容：{}", words::template(f.get_ref()).trim_end())).unwrap_or_default();
            rows.push(row("我方→贵行", "付款文件的标志或控制文件", below(dir, name.get_ref()), "", text));
        }
        if let Some(enquiry) = &self.spec.enquiry {
            let e = enquiry.get_ref();
            let path = below(e.dir.get_ref(), e.name.get_ref());
            rows.push(row("我方→贵行", "查询文件", path, e.layout.get_ref(), "只查询，不付款".to_owned()));
        }
        for file in self.spec.inbound.iter().map(toml::Spanned::get_ref) {
            let layout = file.layout.as_ref().map_or("", |l| l.get_ref());
            rows.push(row("贵行→我方", words::kind(file.kind), format!("outbox/{}", file.path.get_ref()), layout, note(file)));
        }
        rows
    }

    fn fields(&self, name: &str, layout: &LayoutSpec, examples: &Examples) -> Vec<Vec<String>> {
        let syntax = *layout.syntax.get_ref();
        let mut rows = Vec::new();
        for record in layout.record.iter().map(toml::Spanned::get_ref) {
            for (at, field) in record.field.iter().map(toml::Spanned::get_ref).enumerate() {
                let key = (name.to_owned(), field.name.get_ref().clone());
                rows.push(vec![
                    name.to_owned(),
                    words::syntax(syntax, layout.delimiter.as_ref().map(|d| d.get_ref().as_str())),
                    record_words(record, syntax),
                    (at + 1).to_string(),
                    field.name.get_ref().clone(),
                    place(field, syntax),
                    length(field),
                    words::format(field),
                    meaning(field),
                    if field.optional || field.blank { "可空" } else { "必填" }.to_owned(),
                    examples.get(&key).cloned().unwrap_or_default(),
                ]);
            }
        }
        rows
    }

    fn statuses(&self) -> Vec<Vec<String>> {
        let rule = |map: &str, s: &StatusSpec| {
            let mut when = Vec::new();
            if let Some(is) = &s.is {
                when.push(
                    is.iter().map(|code| if code.is_empty() { "（空）".to_owned() } else { code.clone() }).collect::<Vec<_>>().join("、"),
                );
            }
            if let Some(pattern) = &s.matches {
                when.push(format!("符合 {}", pattern.get_ref()));
            }
            if s.otherwise {
                when.push("其他".to_owned());
            }
            if let Some(codes) = &s.codes {
                when.push(format!("原因码 {}", codes.join("、")));
            }
            if let Some(text) = &s.text {
                when.push(format!("说明含 {}", text.get_ref()));
            }
            let end = if s.is_final { "终态" } else { "非终态：以后续回盘为准" };
            vec![map.to_owned(), when.join("；"), words::outcome(s.outcome).to_owned(), end.to_owned()]
        };
        self.spec.status.iter().flat_map(|(map, rules)| rules.iter().map(move |s| rule(map, s.get_ref()))).collect()
    }

    fn reasons(&self) -> Vec<Vec<String>> {
        let row = |r: &super::spec::ReasonSpec| {
            let code = r.reason.get_ref();
            let zh = Reason::ALL.iter().find(|reason| reason.code() == code).map_or("", |reason| reason.zh());
            let texts = |of: &[toml::Spanned<String>]| of.iter().map(|t| t.get_ref().as_str()).collect::<Vec<_>>().join("、");
            vec![zh.to_owned(), texts(&r.codes), texts(&r.texts), code.clone()]
        };
        self.spec.reason.iter().map(|r| row(r.get_ref())).collect()
    }
}

type Column = (&'static str, &'static str, u32);

const FILES: [Column; 5] =
    [("方向", "way", 90), ("文件", "file", 170), ("目录与文件名", "path", 360), ("版式", "layout", 110), ("说明", "note", 330)];
const FIELDS: [Column; 11] = [
    ("版式", "layout", 100),
    ("语法", "syntax", 110),
    ("记录", "record", 140),
    ("序", "no.", 40),
    ("字段", "field", 120),
    ("位置", "place", 150),
    ("长度", "length", 80),
    ("格式", "format", 170),
    ("含义", "meaning", 230),
    ("必填", "required", 50),
    ("示例", "example", 200),
];
const STATUS: [Column; 4] = [("状态表", "map", 110), ("贵行返回", "code", 420), ("我方理解", "meaning", 140), ("是否终态", "final", 180)];
const REASONS: [Column; 4] =
    [("原因", "reason", 200), ("返回码", "codes", 220), ("说明中的词（正则）", "words", 420), ("编号", "code", 180)];

fn columns(of: &[Column]) -> Vec<Column> {
    of.to_vec()
}

fn note(file: &InboundSpec) -> String {
    let mut said: Vec<String> = Vec::new();
    if !file.required {
        said.push("可无".to_owned());
    }
    if let Some(flag) = &file.flag {
        said.push(format!("标志文件，内容：{}", words::template(flag.get_ref()).trim_end()));
    }
    if let Some(zip) = &file.zip {
        said.push(format!("压缩包（zip），内含 {}", words::template(zip.get_ref().member.get_ref())));
    }
    match file.form.as_ref().map(|f| *f.get_ref()) {
        Some(FormSpec::Camt) => said.push("ISO 20022 camt.052/053/054".to_owned()),
        Some(FormSpec::Mt) => said.push("SWIFT MT940/942".to_owned()),
        None => {}
    }
    if let Some(map) = &file.status {
        said.push(format!("状态表 {}", map.get_ref()));
    }
    said.join("；")
}

fn record_words(record: &RecordSpec, syntax: SyntaxSpec) -> String {
    let mut said = vec![words::place(*record.at.get_ref()).to_owned()];
    let is_cut = syntax == SyntaxSpec::Fixed || *record.at.get_ref() == Place::Prologue;
    if let Some(length) = record.length.as_ref().filter(|_| is_cut) {
        said.push(format!("{} 字节", length.get_ref()));
    }
    if let Some(start) = &record.starts_with {
        said.push(format!("以“{}”开头", start.get_ref()));
    }
    if record.optional {
        said.push("可无".to_owned());
    }
    said.join("，")
}

fn place(field: &FieldSpec, syntax: SyntaxSpec) -> String {
    match (&field.at, &field.path, &field.title, syntax) {
        (Some(at), ..) => format!("第 {} 字节起", at.get_ref() + 1),
        (_, Some(path), ..) => path.get_ref().clone(),
        (_, _, Some(title), _) => format!("列标题“{}”", title.get_ref()),
        _ => String::new(),
    }
}

fn length(field: &FieldSpec) -> String {
    match (&field.width, &field.max_bytes) {
        (Some(width), _) => format!("{} 字节", width.get_ref()),
        (None, Some(max)) => format!("≤ {} 字节", max.get_ref()),
        (None, None) => String::new(),
    }
}

/// What a column holds: the word for its value, what is composed, or what always stands there.
fn meaning(field: &FieldSpec) -> String {
    let mut said = Vec::new();
    if let Some(value) = &field.value {
        said.push(words::value(value.get_ref()));
    }
    if let Some(literal) = &field.literal {
        said.push(format!("固定值“{}”", literal.get_ref()));
    }
    if let Some(text) = &field.text {
        said.push(words::template(text.get_ref()));
    }
    if field.blank {
        said.push("我方留空".to_owned());
    }
    if let Some(take) = &field.take {
        said.push(format!("贵行填：{}", words::value(take.get_ref())));
    }
    if let Some(ours) = &field.same_as {
        said.push(format!("须与付款文件的“{}”一字不差", ours.get_ref()));
    }
    said.join("；")
}
