//! The public list and the statements, as pages to print: everything masked.

use std::collections::BTreeMap;
use std::io;

use crate::domain::language::Language;
use crate::domain::publication::{PersonStatement, PublicList, PublicRow};
use crate::passes::letters::{day, moment, yuan};
use crate::passes::page::{Block, Page, Table};

/// Sums by township, the whole last.
pub(super) fn townships(list: &PublicList, language: Language) -> Table {
    let head = [("镇乡", "Township", false), ("笔数", "Count", true), ("金额（元）", "Yuan", true)];
    let mut rows: Vec<Vec<String>> =
        list.townships().into_iter().map(|(name, sum)| vec![name.to_owned(), sum.count.to_string(), yuan(sum.amount)]).collect();
    let total = list.total();
    rows.push(vec![language.pick("合计", "Total").to_owned(), total.count.to_string(), yuan(total.amount)]);
    table(&head, rows, true, language)
}

fn table(head: &[(&'static str, &'static str, bool)], rows: Vec<Vec<String>>, has_sum: bool, language: Language) -> Table {
    Table { head: head.iter().map(|(zh, en, is_number)| (language.pick(zh, en).to_owned(), *is_number)).collect(), rows, has_sum }
}

/// The list as HTML to print.
///
/// # Errors
/// The HTML could not be written.
pub fn list_html(list: &PublicList, language: Language) -> io::Result<String> {
    list_page(list, language).html()
}

/// The whole list as one page: sums by township, then a table a village.
fn list_page(list: &PublicList, language: Language) -> Page {
    let total = list.total();
    let facts = [
        (language.pick("部门", "Department"), list.department.clone()),
        (language.pick("补贴项目", "Subsidy"), format!("{}（{}）", list.project, list.period)),
        (language.pick("批次", "Batch"), list.batch.clone()),
        (language.pick("入账日期", "Credited since"), list.paid_on.map(|d| day(d, language)).unwrap_or_default()),
        (language.pick("公示期限", "To be up by"), list.due_on.map(|d| day(d, language)).unwrap_or_default()),
        (language.pick("合计", "In all"), format!("{} / {} / {}", total.count, yuan(total.amount), total.amount.capitals())),
    ];
    let mut blocks = vec![Block::Facts(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())];
    blocks.push(Block::Table(townships(list, language)));
    for ((township, village), rows) in &list.villages {
        blocks.push(Block::Say(format!("{township} {village}")));
        blocks.push(Block::Table(village_table(rows, language)));
    }
    blocks.push(Block::Sign(
        [("村（社区）", "Village"), ("镇乡", "Township"), ("部门", "Department")].map(|(zh, en)| language.pick(zh, en).to_owned()).to_vec(),
    ));
    blocks.push(Block::Foot(vec![match language {
        Language::Zh => format!(
            "数据截至 {}。姓名、证件号、卡号已作脱敏。对公示内容有异议的，请向所在村（社区）或部门反映。",
            moment(list.made_at, list.zone)
        ),
        Language::En => format!(
            "As of {}. Names and numbers are masked. Objections go to the village or the department.",
            moment(list.made_at, list.zone)
        ),
    }]));
    Page { language, title: language.pick("补贴发放结果公示", "What was paid").to_owned(), blocks }
}

fn village_table(rows: &[PublicRow], language: Language) -> Table {
    let head = [
        ("组", "Group", false),
        ("户编号", "Household", false),
        ("享受对象", "Entitled", false),
        ("收款人", "Received by", false),
        ("身份证号", "ID", false),
        ("金额（元）", "Yuan", true),
    ];
    let mut lines: Vec<Vec<String>> = rows
        .iter()
        .map(|r| {
            vec![
                r.group.clone(),
                r.household_no.clone(),
                r.entitled_name.to_string(),
                if r.is_by_other { r.payee_name.to_string() } else { String::new() },
                r.payee_id.to_string(),
                yuan(r.amount),
            ]
        })
        .collect();
    let sum = yuan(rows.iter().map(|r| r.amount).sum());
    let count = match language {
        Language::Zh => format!("{}笔", rows.len()),
        Language::En => format!("{} rows", rows.len()),
    };
    lines.push(vec![language.pick("小计", "Sum").to_owned(), count, String::new(), String::new(), String::new(), sum]);
    table(&head, lines, true, language)
}

/// Statements of a township's people (对账单): one table a village, a line a credit, each person's sum behind.
///
/// # Errors
/// The HTML could not be written.
pub fn statements_html(title: &str, people: &[&PersonStatement], note: &str, language: Language) -> io::Result<String> {
    let mut villages: BTreeMap<&str, Vec<&PersonStatement>> = BTreeMap::new();
    for person in people {
        villages.entry(&person.village).or_default().push(person);
    }
    let mut blocks = Vec::new();
    for (village, people) in villages {
        blocks.push(Block::Say(village.to_owned()));
        blocks.push(Block::Table(people_table(&people, language)));
    }
    blocks.push(Block::Foot(vec![note.to_owned()]));
    Page { language, title: title.to_owned(), blocks }.html()
}

fn people_table(people: &[&PersonStatement], language: Language) -> Table {
    let head = [
        ("姓名", "Name", false),
        ("身份证号", "ID", false),
        ("入账日期", "Credited on", false),
        ("补贴项目", "Subsidy", false),
        ("所属期", "Period", false),
        ("卡号后四位", "Card", false),
        ("金额（元）", "Yuan", true),
    ];
    let mut rows = Vec::new();
    for person in people {
        let who = [person.name.to_string(), person.id_number.to_string()];
        for credit in &person.credits {
            let rest =
                [credit.on.to_string(), credit.project.clone(), credit.period.clone(), credit.account.last_four(), yuan(credit.amount)];
            rows.push(who.iter().cloned().chain(rest).collect());
        }
        if person.credits.len() > 1 {
            let sum = [language.pick("小计", "Sum").to_owned(), String::new(), String::new(), String::new(), yuan(person.total())];
            rows.push(who.into_iter().chain(sum).collect());
        }
    }
    table(&head, rows, false, language)
}
