//! A bank's words without the identities in them. Banks explain a failure by naming the account's true holder
//! (户名不符，原户名为[…]) or by repeating numbers; the department asked about one person and must not learn of another.
//!
//! A scanner rather than a list of whole phrases, since no list is ever whole. It errs towards silence: words behind
//! "the name should be" go up to the next stop, even when they were advice. The reason and what to do stand beside it.

use chrono::NaiveDate;

use super::ids::EndToEndId;

/// What stands where something was taken out.
const GONE: &str = "***";
/// Longer than any bank's remark.
const LENGTH_MAX: usize = 300;
/// As many digits as no date, code or amount has; accounts begin here.
const DIGITS_MIN: usize = 9;

/// Words after which a person's name may stand anywhere in the text.
const SUBJECTS: [&str; 10] = ["户名", "姓名", "人名称", "号名称", "持卡人", "持有人", "户主", "name", "holder", "payee"];
/// Words after which a name may stand only right behind a colon, a bracket or "is".
const SUBJECTS_WEAK: [&str; 4] = ["收款人", "收款方", "客户", "本人"];
/// Words that bring a name on.
const BRINGS: [&str; 16] = [
    "应该为",
    "应该是",
    "应为",
    "应是",
    "实为",
    "实际为",
    "系统为",
    "登记为",
    "原为",
    "正确为",
    "为",
    "是",
    "should be",
    "is",
    "expected",
    "：",
];
/// Those which do so at any distance from a subject.
const BRINGS_FAR: usize = 10;
/// What marks a subject as somebody else's: 原户名张三.
const TRUE_HOLDER: [&str; 10] = ["原", "实际", "正确", "真实", "系统", "行内", "登记", "核心", "本行", "银行"];
/// Beginnings of words that no name has: 户名不符, 户名为空, 请核对.
const NOT_A_NAME: &str = "空不未已无账帐需请退拒转身收交客联核重该此与或且并状户姓开本原对失处操手服网超异错校验密限销挂止非可证银有存";
/// Brackets, opening and closing.
const BRACKETS: [(char, char); 12] = [
    ('[', ']'),
    ('【', '】'),
    ('(', ')'),
    ('（', '）'),
    ('「', '」'),
    ('『', '』'),
    ('<', '>'),
    ('《', '》'),
    ('“', '”'),
    ('"', '"'),
    ('\'', '\''),
    ('{', '}'),
];
/// What ends a name that has no bracket around it.
const STOPS: &str = "，,。；;、！!?？）)】]」』>》|/\"'”";

/// Takes out of a bank's free text the names of account holders, numbers of nine digits and more (the last four stay),
/// identity numbers and control characters. Dates, codes and our own references stay. Doing it twice changes nothing.
#[must_use]
pub fn scrub_bank_text(text: &str) -> String {
    scrub(text, 4)
}

/// The same, and not even the last four characters stay: for letters that leave the department's circle.
#[must_use]
pub fn scrub_wholly(text: &str) -> String {
    scrub(text, 0)
}

fn scrub(text: &str, tail: usize) -> String {
    let plain: Vec<char> = text.chars().map(plain_char).collect();
    let shown = scrub_numbers(&scrub_names(&plain), tail);
    // Cut last: a cut through a number would leave a part of it that is short enough to pass.
    if shown.chars().count() > LENGTH_MAX { shown.chars().take(LENGTH_MAX).chain(['…']).collect() } else { shown }
}

/// Full-width digits and letters as plain ones, so that they cannot hide a number; control characters as spaces.
fn plain_char(c: char) -> char {
    match c {
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '－' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    }
}

fn scrub_names(text: &[char]) -> String {
    let mut out = String::new();
    let mut named = false;
    let mut at = 0;
    while let Some(c) = text.get(at).copied() {
        if let Some(word) = SUBJECTS.iter().find(|w| starts(text, at, w)) {
            let theirs = TRUE_HOLDER.iter().any(|w| out.ends_with(w));
            named = true;
            at = copy(text, at, word.chars().count(), &mut out);
            at = take_behind(text, at, theirs, &mut out);
        } else if let Some(word) = SUBJECTS_WEAK.iter().find(|w| starts(text, at, w)) {
            at = copy(text, at, word.chars().count(), &mut out);
            at = take_behind(text, at, false, &mut out);
        } else if let Some(word) = BRINGS.iter().take(BRINGS_FAR).find(|w| (named || at == 0) && starts(text, at, w)) {
            at = copy(text, at, word.chars().count(), &mut out);
            at = take_name(text, at, &mut out);
        } else if named && bracket(c).is_some() {
            at = take_bracket(text, at, &mut out);
        } else if named && matches!(c, ':' | '：') {
            at = copy(text, at, 1, &mut out);
            at = take_name(text, at, &mut out);
        } else {
            at = copy(text, at, 1, &mut out);
            if named && (c == ' ' || matches!(c, '，' | ',')) && short_name_at(text, at) {
                at = take_name(text, at, &mut out);
            }
        }
    }
    out
}

/// Right behind a subject: a word that brings a name on, or a bracket, or the bare name where it is known to be theirs.
fn take_behind(text: &[char], at: usize, theirs: bool, out: &mut String) -> usize {
    let at = if starts(text, at, "称") || starts(text, at, "字") { copy(text, at, 1, out) } else { at };
    let gap = text.iter().skip(at).take_while(|c| **c == ' ').count();
    let next = at + gap;
    let brings = BRINGS.iter().find(|w| starts(text, next, w)).map(|w| w.chars().count());
    match (brings, text.get(next)) {
        (Some(length), _) => {
            let at = copy(text, at, gap + length, out);
            take_name(text, at, out)
        }
        (None, Some(':' | '=')) => {
            let at = copy(text, at, gap + 1, out);
            take_name(text, at, out)
        }
        (None, Some(c)) if bracket(*c).is_some() => {
            let at = copy(text, at, gap, out);
            take_bracket(text, at, out)
        }
        (None, Some(c)) if theirs && !NOT_A_NAME.contains(*c) => take_name(text, at, out),
        (None, Some(_) | None) => at,
    }
}

/// Takes out what stands here up to the next stop, if it can be a name.
fn take_name(text: &[char], at: usize, out: &mut String) -> usize {
    let gap = text.iter().skip(at).take_while(|c| matches!(c, ' ' | ':' | '：' | '=')).count();
    let at = copy(text, at, gap, out);
    match text.get(at) {
        None => at,
        Some(c) if bracket(*c).is_some() => take_bracket(text, at, out),
        Some(c) if NOT_A_NAME.contains(*c) => at,
        Some(_) => {
            let end = name_end(text, at);
            gone(text.get(at..end).unwrap_or_default(), out);
            end
        }
    }
}

/// Takes out what a bracket holds; the bracket stays.
fn take_bracket(text: &[char], at: usize, out: &mut String) -> usize {
    let Some(closing) = text.get(at).copied().and_then(bracket) else { return at };
    let inside = copy(text, at, 1, out);
    let length = text.iter().skip(inside).take_while(|c| **c != closing).count();
    gone(text.get(inside..inside + length).unwrap_or_default(), out);
    inside + length
}

/// Writes the mark, unless the words are none that name anybody: empty, a code, a number (which has its own rule).
fn gone(words: &[char], out: &mut String) {
    let is_code = words.iter().any(char::is_ascii_digit) && words.iter().all(|c| c.is_ascii());
    let names_nobody = !words.iter().any(|c| c.is_alphabetic());
    if is_code || names_nobody { out.extend(words) } else { out.push_str(GONE) }
}

fn name_end(text: &[char], at: usize) -> usize {
    let mut end = at;
    while let Some(c) = text.get(end).copied() {
        // A name in Latin letters goes on behind a space.
        let goes_on = c == ' ' && text.get(end + 1).is_some_and(char::is_ascii_alphabetic) && latin_before(text, end);
        if (c == ' ' && !goes_on) || STOPS.contains(c) || (bracket(c).is_some() && end > at) {
            break;
        }
        end += 1;
    }
    end
}

fn latin_before(text: &[char], at: usize) -> bool {
    at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(char::is_ascii_alphabetic)
}

/// Whether two to four Han characters (or more with a dot: 阿牛·木呷) stand alone here.
fn short_name_at(text: &[char], at: usize) -> bool {
    let words = text.get(at..name_end(text, at)).unwrap_or_default();
    let dotted = words.iter().any(|c| matches!(c, '·' | '•' | '．'));
    let fits = if dotted { words.len() <= 20 } else { (2..=4).contains(&words.len()) };
    fits && words.iter().all(|c| !c.is_ascii() && (c.is_alphabetic() || matches!(c, '·' | '•' | '．')))
        && words.first().is_some_and(|c| !NOT_A_NAME.contains(*c))
}

fn scrub_numbers(text: &str, tail: usize) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = text.get(at).copied() {
        let reference: String = text.iter().skip(at).take(EndToEndId::LEN).collect();
        if EndToEndId::parse(&reference).is_some() && !text.get(at + EndToEndId::LEN).is_some_and(char::is_ascii_digit) {
            at = copy(&text, at, EndToEndId::LEN, &mut out);
        } else if c.is_ascii_digit() {
            let date = date_length(&text, at);
            at = if date > 0 { copy(&text, at, date, &mut out) } else { take_number(&text, at, tail, &mut out) };
        } else {
            at = copy(&text, at, 1, &mut out);
        }
    }
    out
}

/// Reads a number with single spaces or hyphens inside; of a long one only the tail stays.
fn take_number(text: &[char], at: usize, tail: usize, out: &mut String) -> usize {
    let mut number = String::new();
    let mut end = at;
    while let Some(c) = text.get(end).copied() {
        // A date behind a code is a date; between two groups of digits it is the middle of an identity number.
        let date = date_length(text, end + 1);
        let is_last = date > 0 && !(joint(text, end + 1 + date) && text.get(end + 2 + date).is_some_and(char::is_ascii_digit));
        let joins = joint(text, end) && text.get(end + 1).is_some_and(char::is_ascii_digit) && !is_last;
        match c {
            '0'..='9' => number.push(c),
            ' ' | '-' if joins => {}
            _ => break,
        }
        end += 1;
    }
    let has_check = number.len() == 17 && matches!(text.get(end), Some('X' | 'x'));
    if has_check {
        number.push('X');
        end += 1;
    }
    if number.len() < DIGITS_MIN {
        out.extend(text.get(at..end).unwrap_or_default());
    } else {
        out.push_str("****");
        out.push_str(number.get(number.len() - tail..).unwrap_or_default());
    }
    end
}

fn joint(text: &[char], at: usize) -> bool {
    matches!(text.get(at), Some(' ' | '-'))
}

/// How many characters here are a date of these two centuries that stands alone, with or without hyphens or slashes.
fn date_length(text: &[char], at: usize) -> usize {
    [(10, "%Y-%m-%d"), (10, "%Y/%m/%d"), (8, "%Y%m%d")]
        .into_iter()
        .find(|(length, form)| {
            let word: String = text.iter().skip(at).take(*length).collect();
            let is_century = word.starts_with("19") || word.starts_with("20");
            let alone = !text.get(at + length).is_some_and(char::is_ascii_digit);
            is_century && alone && word.len() == *length && NaiveDate::parse_from_str(&word, form).is_ok()
        })
        .map_or(0, |(length, _)| length)
}

fn bracket(opening: char) -> Option<char> {
    BRACKETS.iter().find(|(open, _)| *open == opening).map(|(_, close)| *close)
}

/// Whether a word stands here; Latin words in any case, and not inside another word.
fn starts(text: &[char], at: usize, word: &str) -> bool {
    let length = word.chars().count();
    let here = text.iter().skip(at).take(length).map(char::to_ascii_lowercase);
    let inside = word.is_ascii() && (latin_before(text, at) || text.get(at + length).is_some_and(char::is_ascii_alphabetic));
    here.eq(word.chars()) && !inside
}

fn copy(text: &[char], at: usize, count: usize, out: &mut String) -> usize {
    out.extend(text.iter().skip(at).take(count));
    (at + count).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_holder_is_not_named() {
        for (said, shown) in [
            ("户名不符,原户名为[欧阳测试]", "户名不符,原户名为[***]"),
            ("户名不符，户名应为：李四", "户名不符，户名应为：***"),
            ("户名应为:王小二，请核实", "户名应为:***，请核实"),
            ("户名不符，应为张三丰", "户名不符，应为***"),
            ("户名不符【阿牛·木呷】", "户名不符【***】"),
            ("户名不符：赵六", "户名不符：***"),
            ("户名不符 赵六", "户名不符 ***"),
            ("户名不符,阿牛·木呷", "户名不符,***"),
            ("原户名张三", "原户名***"),
            ("账户名称:乐山测试有限公司", "账户名称:***"),
            ("客户姓名为 张三 与上送不一致", "客户姓名为 *** 与上送不一致"),
            ("收款人：张三，账户已冻结", "收款人：***，账户已冻结"),
            ("应为李四", "应为***"),
            ("Name mismatch: expected ZHANG SAN", "Name mismatch: ***"),
            ("account name is Li Si, rejected", "account name is ***, rejected"),
            ("HOLDER (WANG WU)", "HOLDER (***)"),
        ] {
            assert_eq!(scrub_bank_text(said), shown, "{said}");
            assert_eq!(scrub_bank_text(shown), shown, "again: {said}");
        }
    }

    #[test]
    fn no_whole_number_stays() {
        for (said, shown) in [
            ("账号6217001234567890014不存在", "账号****0014不存在"),
            ("卡号 6217 0012 3456 7890 014 已销户", "卡号 ****0014 已销户"),
            ("身份证51118119900101201X不符", "身份证****201X不符"),
            ("证件号码５１１１８１１９９００１０１２０１９不一致", "证件号码****2019不一致"),
            ("511181-19900101-2019", "****2019"),
            ("511181 19900101 2019", "****2019"),
            ("手机13812345612未实名", "手机****5612未实名"),
        ] {
            assert_eq!(scrub_bank_text(said), shown, "{said}");
        }
        assert_eq!(scrub_wholly("账号6217001234567890014不存在"), "账号****不存在");
        let long = format!("{}6217001234567890014", "符".repeat(LENGTH_MAX - 10));
        assert!(!scrub_bank_text(&long).contains("6217"));
    }

    #[test]
    fn what_explains_a_failure_stays() {
        for said in [
            "户名不符",
            "户名不符，请核对",
            "户名为空",
            "账户状态不正常[PD3605]",
            "客户信息不完善：证件过期",
            "481299 批次重复",
            "第12行文件明细格式不符",
            "状态应为正常",
            "超过截止时间 2019-03-20 16:30:00",
            "481299 20190320",
            "日期20190320不是工作日",
            "金额1234.56超过限额",
            "户名不符(BE01)",
            "BG0000000000000018 不存在",
            "该户为非结算户",
        ] {
            assert_eq!(scrub_bank_text(said), said);
        }
        assert_eq!(scrub_bank_text("a\tb\r\nc"), "a b  c");
    }
}
